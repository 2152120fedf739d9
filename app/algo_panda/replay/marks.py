"""Which prices held when: last prices of instruments at given moments, out of columns of ticks."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.replay.ticks import EVENT, Integers, TickColumns

_TOKEN = MarketTick._fields.index("instrument_token")
_PRICE = MarketTick._fields.index("price_raw")


def prices_at(
    moments: Sequence[int], tokens: Iterable[int], columns: Iterable[TickColumns]
) -> Mapping[int, Sequence[int | None]]:
    """The last raw prices of ``tokens`` at each of ``moments``, by instrument.

    A tick whose event time is before that of the one in front of it in its partition and on its
    instrument counts from the other's on: it was not known before.

    Args:
        moments: event times, microseconds since the epoch, rising.
        tokens: the instruments asked for.
        columns: ticks; None stands for moments before the first of an instrument.
    """
    wanted = np.array(sorted(tokens), np.int64)
    at = np.array(moments, np.int64)
    found: dict[int, list[int | None]] = {}
    if not len(wanted):
        return found
    for part in columns:
        order = np.argsort(part.fields[_TOKEN], kind="stable")
        sorted_tokens = part.fields[_TOKEN][order]
        first: Integers = np.searchsorted(sorted_tokens, wanted, "left")
        end: Integers = np.searchsorted(sorted_tokens, wanted, "right")
        for token, start, stop in zip(wanted.tolist(), first.tolist(), end.tolist(), strict=True):
            if start < stop:
                prices = _prices(part, order[start:stop], at)
                found[token] = _over(found.get(token), prices)
    return found


def _prices(part: TickColumns, rows: Integers, at: Integers) -> list[int | None]:
    times = np.maximum.accumulate(part.fields[EVENT][rows])
    last = np.searchsorted(times, at, "right") - 1
    prices: list[int] = part.fields[_PRICE][rows[last]].tolist()
    none = int(np.searchsorted(last, 0))  # so many moments are before the first tick
    return [None] * none + prices[none:]


def _over(before: list[int | None] | None, prices: list[int | None]) -> list[int | None]:
    """``prices``, and those of another partition where there are none."""
    if before is None:
        return prices
    return [old if new is None else new for old, new in zip(before, prices, strict=True)]
