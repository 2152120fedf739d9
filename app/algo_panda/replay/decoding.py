"""Records of ``ticks`` as the runner reads them: what it would not take is not a tick here."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.replay.ticks import Refuse, TickColumns, Unusable
from algo_panda.wire.errors import KeyMismatchError, WireError
from algo_panda.wire.tick_batch import TickFields


class TickDecoder(Protocol):
    """Reads the values of ``ticks``, many at a time."""

    def decode_columns(
        self, values: Sequence[bytes | None], timestamps_ms: Sequence[int], /
    ) -> TickFields | None:
        """Their fields column by column, or None where a value wants a closer look."""
        ...

    def decode_many(
        self, values: Sequence[bytes | None], timestamps_ms: Sequence[int], /
    ) -> Sequence[MarketTick | WireError]:
        """The tick in each value, or what is wrong with it."""
        ...


def decode(
    decoder: TickDecoder,
    partition: int,
    *,
    offsets: Sequence[int],
    timestamps_ms: Sequence[int],
    keys: Sequence[bytes | None],
    values: Sequence[bytes | None],
    refuse: Refuse,
) -> TickColumns:
    """The ticks among some records of one partition, which are given field by field."""
    columns = decoder.decode_columns(values, timestamps_ms)
    if columns is not None and keys == list(map(instrument_key, columns[0].tolist())):
        return TickColumns(
            partition=partition, offsets=np.array(offsets, np.int64), fields=np.stack(columns)
        )
    kept: list[int] = []
    ticks: list[MarketTick] = []
    outcomes = decoder.decode_many(values, timestamps_ms)
    for offset, key, outcome in zip(offsets, keys, outcomes, strict=True):
        if isinstance(outcome, MarketTick):
            own = instrument_key(outcome.instrument_token)
            if key == own:
                kept.append(offset)
                ticks.append(outcome)
                continue
            error: WireError = KeyMismatchError(key, own)
        else:
            error = outcome
        refuse(Unusable(partition=partition, offset=offset, code=error.code, reason=str(error)))
    return TickColumns.of(partition, kept, ticks)
