"""Ids that are pure functions of what they name, so that redelivery and replay repeat them."""

from hashlib import blake2b
from typing import Final

CLIENT_ORDER_ID_LENGTH = 20
"""Kite's ``tag`` takes at most 20 alphanumerics."""

_ORDERS: Final = blake2b(digest_size=15)
_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: Final = [high + low for high in _DIGITS for low in _DIGITS]
"""Ten bits each."""


def instrument_key(instrument_token: int) -> bytes:
    """The key of all records of an instrument: its token in ASCII digits."""
    return b"%d" % instrument_token


class SignalIds:
    """Makes the signal ids of one strategy at one partition of a topic.

    The id is the hex of BLAKE2b-128 over strategy id, instrument, topic id, partition and
    offset, joined by ``|``.
    """

    __slots__ = ("_hashed", "_where")

    def __init__(self, *, strategy_id: str, topic_id: str, partition: int) -> None:
        self._hashed = blake2b(f"{strategy_id}|".encode(), digest_size=16)
        """What all of them begin with."""
        self._where = f"|{topic_id}|{partition}|"

    def at(self, instrument_token: int, offset: int) -> str:
        """The id of the signal that the instrument's tick at ``offset`` caused: 32 hex digits."""
        digest = self._hashed.copy()
        digest.update(f"{instrument_token}{self._where}{offset}".encode())
        return digest.hexdigest()


def client_order_id(signal_id: str, account: str) -> str:
    """The id of the order that ``signal_id`` causes on ``account``: 20 of ``A-Z2-7``.

    100 bits of BLAKE2b: among a billion orders two alike are less likely than 1 in 10**12. They
    are written in base 32 (RFC 4648), two digits at a time.
    """
    hashed = _ORDERS.copy()
    hashed.update(f"{signal_id}|{account}".encode())
    digest = hashed.digest()
    first = int.from_bytes(digest[:5], "big")
    second = int.from_bytes(digest[5:10], "big")
    last = int.from_bytes(digest[10:13], "big")
    return (
        f"{_PAIRS[first >> 30]}{_PAIRS[first >> 20 & 1023]}"
        f"{_PAIRS[first >> 10 & 1023]}{_PAIRS[first & 1023]}"
        f"{_PAIRS[second >> 30]}{_PAIRS[second >> 20 & 1023]}"
        f"{_PAIRS[second >> 10 & 1023]}{_PAIRS[second & 1023]}"
        f"{_PAIRS[last >> 14]}{_PAIRS[last >> 4 & 1023]}"
    )


def execution_id(client_order_id: str, sequence: int) -> str:
    """The id of the ``sequence``-th event (from 1) of an order."""
    return f"{client_order_id}-{sequence}"


def rejection_id(stage: str, cause: str, account: str | None = None) -> str:
    """The id of a refusal by ``stage`` of what ``cause`` names (a signal id, an order id).

    32 hex digits of BLAKE2b-128.
    """
    text = f"{stage}|{cause}|{account or ''}"
    return blake2b(text.encode(), digest_size=16).hexdigest()
