"""How the built-in strategies put their state into bytes: versioned, and tied to parameters."""

import struct
from hashlib import blake2b
from typing import Final

from algo_panda.strategies.parameters import StrategyParameters

_VERSION = 1
_FINGERPRINT_SIZE = 16
_LENGTH = struct.Struct("<I")
_LENGTH_SIZE: Final = 4


class StateCodec:
    """Packs the parts of one strategy's state, and refuses the state of another."""

    __slots__ = ("_head",)

    def __init__(self, strategy_type: str, parameters: StrategyParameters) -> None:
        said = f"{strategy_type}|{parameters.text}"
        fingerprint = blake2b(said.encode(), digest_size=_FINGERPRINT_SIZE).digest()
        self._head = bytes([_VERSION]) + fingerprint

    def pack(self, *parts: bytes) -> bytes:
        """The parts behind version and fingerprint."""
        joined = [self._head]
        for part in parts:
            joined.append(len(part).to_bytes(_LENGTH_SIZE, "little"))
            joined.append(part)
        return b"".join(joined)

    def unpack(self, state: bytes, count: int) -> list[bytes]:
        """The ``count`` parts of ``state``.

        Raises:
            ValueError: it is of another version or other parameters, or damaged.
        """
        if state[:1] != self._head[:1]:
            raise ValueError("strategy state is of another version")
        if not state.startswith(self._head):
            raise ValueError("strategy state is of another strategy type or of other parameters")
        parts: list[bytes] = []
        at = len(self._head)
        while at < len(state):
            if len(state) - at < _LENGTH.size:
                raise ValueError("strategy state is damaged")
            (length,) = _LENGTH.unpack_from(state, at)
            at += _LENGTH.size
            parts.append(state[at : at + length])
            at += length
        if at != len(state) or len(parts) != count:
            raise ValueError("strategy state is damaged")
        return parts
