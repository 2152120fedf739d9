"""What the codecs of orders and executions have in common."""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

from algo_panda.wire.framing import header
from algo_panda.wire.parts import UNUSUAL, Owners
from algo_panda.wire.records import RecordCodec
from algo_panda.wire.values import latest_us

T = TypeVar("T")


class HandwrittenCodec(Generic[T]):
    """Records of one class to framed bytes and back, written by hand as signals are.

    The bytes are those of ``RecordCodec``, which the tests hold this to; whatever is unusual goes
    there, and so gets its errors.

    Args:
        records: writes and reads what is unusual.
        writer_id: of the newest schema, in whose field order the subclass writes.
    """

    def __init__(self, records: RecordCodec[T], *, writer_id: int) -> None:
        self._records = records
        self._header = header(writer_id)
        self._owners = Owners()

    def encode(self, record: T, /) -> bytes:
        """The bytes of ``record``.

        Raises:
            WireError: it could not be read back; the subclass says why.
        """
        try:
            return self._encode(record)
        except UNUSUAL:
            return self._records.encode(record)

    def decode(self, value: bytes | None, timestamp_ms: int = 0, /) -> T:
        """The object in ``value``, of a record with this Kafka timestamp (0: unknown).

        Raises:
            WireError: the subclass, and its ``code``, say what is wrong with ``value``.
        """
        fields = self._records.read(value)
        try:
            return self._made(fields, latest_us(timestamp_ms))
        except UNUSUAL:
            return self._records.decode(value, timestamp_ms)

    @abstractmethod
    def _encode(self, record: T, /) -> bytes:
        """The bytes, or one of ``UNUSUAL``."""

    @abstractmethod
    def _made(self, fields: dict[str, Any], latest: int, /) -> T:
        """What these fields are, or one of ``UNUSUAL``.

        Args:
            fields: of the record, by name.
            latest: the latest time to be believed, microseconds since the epoch.
        """
