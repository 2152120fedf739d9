"""What can be wrong with a record's bytes, one class and one stable code per cause."""

from typing import ClassVar

from algo_panda.domain.errors import BadInputError


class WireError(BadInputError):
    """A record that cannot be read, or must not be written.

    ``code`` goes into the header of the dead letter; the message says what was found. Where
    the record stood (topic, partition, offset) is for the reader to add.
    """

    code: ClassVar[str] = "WIRE"


class TooShortError(WireError):
    """There are not even the five bytes of the header, or no value at all."""

    code = "TOO_SHORT"


class WrongMagicByteError(WireError):
    """The first byte is not 0: the value is not framed Avro."""

    code = "WRONG_MAGIC_BYTE"


class UnknownSchemaIdError(WireError):
    """Nobody knows the schema that the value was written with."""

    code = "UNKNOWN_SCHEMA_ID"


class WrongSchemaError(WireError):
    """The value was written with a schema that this topic's records cannot be read from."""

    code = "WRONG_SCHEMA"


class UndecodableError(WireError):
    """The bytes are not what their schema says."""

    code = "UNDECODABLE"


class TrailingBytesError(WireError):
    """The record is whole, and then there is more."""

    code = "TRAILING_BYTES"


class UnencodableError(WireError):
    """A field holds what its type on the wire cannot: too large, or not text."""

    code = "UNENCODABLE"


class UnknownSymbolError(WireError):
    """An enum's symbol is newer than this program."""

    code = "UNKNOWN_SYMBOL"


class InvalidPriceError(WireError):
    """A price is not above 0, or has more digits than any price."""

    code = "INVALID_PRICE"


class InvalidAmountError(WireError):
    """An amount of money has more digits than any."""

    code = "INVALID_AMOUNT"


class InvalidTimeError(WireError):
    """A time is before 1990, or more than a day after the record reached the broker."""

    code = "INVALID_TIME"


class InvalidQuantityError(WireError):
    """A quantity is negative."""

    code = "INVALID_QUANTITY"


class InvalidConfidenceError(WireError):
    """A confidence is not within 0 to 1."""

    code = "INVALID_CONFIDENCE"


class KeyMismatchError(WireError):
    """The record's key is not that of its value: it may lie in a partition of another one.

    The key is the instrument token in ASCII digits, or the account.
    """

    code = "KEY_MISMATCH"

    def __init__(self, key: bytes | None, expected: bytes) -> None:
        super().__init__(f"the key is {key!r}, and by the value it must be {expected!r}")


class MisplacedKeyError(WireError):
    """The record lies in a partition that its key does not belong to."""

    code = "MISPLACED_KEY"

    def __init__(self, key: bytes, partition: int, own: int) -> None:
        super().__init__(
            f"the key {key!r} belongs to partition {own} and was written to partition {partition}:"
            " the producer must partition by murmur2 (librdkafka: partitioner=murmur2_random);"
            " 'panda dlq replay' sends the record to its own partition"
        )
