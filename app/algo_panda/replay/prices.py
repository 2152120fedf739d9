"""Prices of a replay for people to look at: few points of each instrument, highs and lows kept."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.replay.ticks import EVENT, Integers, TickColumns, Unusable
from algo_panda.replay.trading import Event

_TOKEN = MarketTick._fields.index("instrument_token")
_PRICE = MarketTick._fields.index("price_raw")
_FIRST_STEP_US = 1_000
_MOST_CELLS = 1_000
_LEAST_CELLS = 50
_CELLS_OF_ALL = 1_000_000
_NONE = np.iinfo(np.int64).max


class PricePoint(NamedTuple):
    """A tick."""

    time_us: int
    """Event time, microseconds since the epoch."""
    price_raw: int


class _Points(NamedTuple):
    """Ticks, each array of shape (n,)."""

    rows: Integers
    """Places of their instruments."""
    times: Integers
    prices: Integers


class _Least:
    """The lowest price in each of many cells, and when it was first seen."""

    def __init__(self, cells: int) -> None:
        self.prices = np.full(cells, _NONE, np.int64)
        self.times = np.full(cells, _NONE, np.int64)

    def take(self, cells: Integers, times: Integers, prices: Integers) -> None:
        order = np.lexsort((times, prices, cells))
        first = order[np.flatnonzero(np.diff(cells[order], prepend=-1))]
        at, price, time = cells[first], prices[first], times[first]
        known, since = self.prices[at], self.times[at]
        is_lower = (price < known) | ((price == known) & (time < since))
        self.prices[at[is_lower]] = price[is_lower]
        self.times[at[is_lower]] = time[is_lower]


class Prices:
    """A ``ReplayListener`` that keeps the first lowest and the first highest tick of every cell.

    Cells are those of a grid in time, one for all instruments; its step doubles when time outgrows
    it. So memory does not depend on how many ticks there are, and what is kept not on how they
    come in pieces.

    Args:
        tokens: the instruments; ticks of others are passed over.
        most_cells: of an instrument; each gives two points or fewer.
        cells_of_all: with many instruments, each has fewer cells (no fewer than 50).
    """

    def __init__(
        self,
        tokens: Iterable[int],
        *,
        most_cells: int = _MOST_CELLS,
        cells_of_all: int = _CELLS_OF_ALL,
    ) -> None:
        self._tokens = np.array(sorted(set(tokens)), np.int64)
        share = cells_of_all // max(len(self._tokens), 1)
        self._cells = min(most_cells, max(share, _LEAST_CELLS))
        self._span: tuple[int, int] | None = None
        self._step_us = _FIRST_STEP_US
        self._begin = 0
        self._clear()

    def points(self, instrument_token: int) -> Sequence[PricePoint]:
        """What is kept of an instrument, in the order of event times."""
        row = int(self._tokens.searchsorted(instrument_token))
        if row == len(self._tokens) or self._tokens[row] != instrument_token:
            return []
        cells = slice(row * self._cells, (row + 1) * self._cells)
        times = np.concatenate((self._lows.times[cells], self._highs.times[cells]))
        prices = np.concatenate((self._lows.prices[cells], -self._highs.prices[cells]))
        found = set(map(PricePoint, times.tolist(), prices.tolist()))
        return sorted(point for point in found if point.time_us != _NONE)

    def ticks(self, columns: TickColumns, /) -> None:
        """Keep some of them."""
        tokens: Integers = columns.fields[_TOKEN]
        is_ours = np.isin(tokens, self._tokens)
        if is_ours.any():
            times, prices = columns.fields[EVENT][is_ours], columns.fields[_PRICE][is_ours]
            self._fit(int(times.min()), int(times.max()))
            rows = self._tokens.searchsorted(tokens[is_ours])
            self._put(_Points(rows, times, prices))

    def unusable_record(self, record: Unusable, /) -> None:
        """It has no price."""

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Their prices are those of ticks."""

    def events(self, events: Sequence[Event], /) -> None:
        """They change no price."""

    def _fit(self, first_us: int, last_us: int) -> None:
        """Have a grid that spans these moments, too."""
        first, last = self._span or (first_us, last_us)
        first, last = self._span = (min(first, first_us), max(last, last_us))
        step = self._step_us
        while last // step - first // step >= self._cells:
            step *= 2
        if (step, first // step) != (self._step_us, self._begin):
            kept = self._kept()
            self._step_us, self._begin = step, first // step
            self._clear()
            self._put(kept)

    def _clear(self) -> None:
        self._lows = _Least(len(self._tokens) * self._cells)
        self._highs = _Least(len(self._tokens) * self._cells)

    def _put(self, points: _Points) -> None:
        cells = points.rows * self._cells + (points.times // self._step_us - self._begin)
        self._lows.take(cells, points.times, points.prices)
        self._highs.take(cells, points.times, -points.prices)

    def _kept(self) -> _Points:
        at = np.flatnonzero(self._lows.times != _NONE)
        rows = at // self._cells
        return _Points(
            np.concatenate((rows, rows)),
            np.concatenate((self._lows.times[at], self._highs.times[at])),
            np.concatenate((self._lows.prices[at], -self._highs.prices[at])),
        )
