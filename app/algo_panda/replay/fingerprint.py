"""What a replay read, ran and said, in a few hashes: equal hashes, equal replay.

Hashes are BLAKE3 in hex: a replay hashes all that it reads and says, and no other cryptographic
hash is as fast. None of them depends on how ticks are cut into pieces, on the order of partitions
against one another, or on the time it took.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from blake3 import blake3

from algo_panda.domain.config import StrategyConfig
from algo_panda.replay.ticks import TickColumns

ALGORITHM = "blake3"
"""Of the hashes: those of another one say nothing beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """The hashes of one replay."""

    ticks: str
    """Of every tick: offset, the fields of ``MarketTick``, partition by partition."""
    configuration: str
    """Of the strategy versions and of the settings that decide what becomes of ticks."""
    signals: str
    """Of the values of the records on ``signals``, by partition and offset of their ticks. Their
    keys follow from them."""
    fills: str
    """The same of the records on ``executions`` that are fills."""

    @property
    def whole(self) -> str:
        """Of the others."""
        parts = (self.ticks, self.configuration, self.signals, self.fills)
        return _digest("|".join(parts).encode())

    @property
    def named(self) -> Mapping[str, str]:
        """All of it, as reports have it."""
        return {
            "algorithm": ALGORITHM,
            "whole": self.whole,
            "ticks": self.ticks,
            "configuration": self.configuration,
            "signals": self.signals,
            "fills": self.fills,
        }


class RecordHash:
    """Hashes the values of records of one kind, each partition of ``ticks`` on its own."""

    def __init__(self) -> None:
        self._values = _Hashes()
        self._lengths = _Hashes()

    def add(self, partition: int, values: Sequence[bytes]) -> None:
        """Go on with the values of some records."""
        self._values.add(partition, b"".join(values))
        # So that no two sequences of records hash alike, wherever one value ends.
        self._lengths.add(
            partition, np.fromiter(map(len, values), "<u4", len(values)).view("u1").data
        )

    def hexdigest(self) -> str:
        """The hash of all partitions that have anything."""
        return _digest(f"{self._values.hexdigest()}|{self._lengths.hexdigest()}".encode())


class TickHash:
    """Hashes ticks, each partition on its own."""

    def __init__(self) -> None:
        self._rows = _Hashes()

    def add(self, columns: TickColumns) -> None:
        """Go on with ``columns``."""
        fields, count = columns.fields.shape
        rows = np.empty((count, 1 + fields), "<i8")
        rows[:, 0] = columns.offsets
        rows[:, 1:] = columns.fields.T
        self._rows.add(columns.partition, rows.ravel().view("u1").data)

    def hexdigest(self) -> str:
        """The hash of all partitions that have anything."""
        return self._rows.hexdigest()


class _Hashes:
    """A hash for each partition."""

    def __init__(self) -> None:
        self._hashes: dict[int, blake3] = {}

    def add(self, partition: int, data: bytes | memoryview) -> None:
        """Go on with ``data`` of a partition."""
        if not len(data):
            return
        found = self._hashes.get(partition)
        if found is None:
            found = self._hashes[partition] = blake3()
        found.update(data)

    def hexdigest(self) -> str:
        """The hash of all partitions that have anything."""
        parts = (f"{number}:{self._hashes[number].hexdigest()}" for number in sorted(self._hashes))
        return _digest("|".join(parts).encode())


def configuration_hash(
    configs: Iterable[StrategyConfig], settings: Mapping[str, str | int | None]
) -> str:
    """The hash of what runs, and of what decides beside it."""
    strategies = [
        {
            "id": config.strategy_id,
            "version": config.version,
            "digest": config.digest,
            "instruments": config.instruments,
        }
        for config in configs
    ]
    decides = {"strategies": strategies, "settings": dict(settings)}
    return _digest(json.dumps(decides, sort_keys=True, separators=(",", ":")).encode())


def _digest(data: bytes) -> str:
    return blake3(data).hexdigest()
