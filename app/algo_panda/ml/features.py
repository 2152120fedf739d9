"""The features of the momentum model, computed tick by tick; training and serving both use this."""

import struct
from array import array
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Self

from mypy_extensions import mypyc_attr

from algo_panda.domain.indicators import CutlerRsi, packed
from algo_panda.domain.market import MarketTick
from algo_panda.domain.quotient import quotient
from algo_panda.domain.sharing import SharedIndicator

FEATURES_VERSION = 1
"""Goes up when a feature changes its meaning: a model of another version is refused."""

FEATURE_NAMES = (
    "move_1",
    "move_5",
    "move_20",
    "mean_gap_20",
    "rsi_14",
    "activity_20_100",
    "volume_20_100",
)

WINDOW = 100
"""Price changes that the features look back on: the first row comes with the tick after them."""

_SHORT = 20
_RATIO = WINDOW // _SHORT
_RSI_PERIOD = 14
_RING = 128
_MASK = _RING - 1
_ZEROS = bytes(8 * _RING)
_HEAD = struct.Struct("<BHH")
_VERSION = 1


@mypyc_attr(allow_interpreted_subclasses=True)
class MomentumFeatures(SharedIndicator):
    """Seven ratios over the last 100 price changes of one instrument.

    With ``unit`` the mean absolute change over the last 20 ticks:

    * ``move_1``, ``move_5``, ``move_20``: change of the price over so many ticks, in units;
    * ``mean_gap_20``: price less its mean over the last 20 ticks, in units;
    * ``rsi_14``: Cutler's RSI, 0 to 100;
    * ``activity_20_100``: unit, over the mean absolute change over 100 ticks;
    * ``volume_20_100``: mean traded quantity over 20 ticks, over that over 100.

    All are free of currency and of tick size, so that a model trained on one instrument can read
    another. Where nothing moved in 20 ticks, moves and gap are 0; without movement the RSI is 50;
    where there was no movement, or no quantity, in 100 ticks, its ratio is 1.

    The sums are whole numbers, each feature is rounded once, and nothing older than the window
    has a say: the same 101 ticks give the same bits, however many came before.
    """

    __slots__ = (
        "_activity",
        "_at",
        "_count",
        "_moves",
        "_prices",
        "_prices_sum",
        "_quantities",
        "_row",
        "_rsi",
        "_short_activity",
        "_short_volume",
        "_snapshot",
        "_volume",
    )

    def __init__(self) -> None:
        super().__init__()
        # Rings of plain 64-bit numbers: there may be tens of thousands of these, and lists of
        # numbers would be scattered all over the memory. What was before the first tick is taken
        # for zeros, which add nothing to the sums.
        self._prices = array("q", _ZEROS)
        self._moves = array("q", _ZEROS)
        self._quantities = array("q", _ZEROS)
        self._at = 0  # where the next tick goes
        self._count = 0  # of ticks so far, as far as they matter
        self._rsi = CutlerRsi(period=_RSI_PERIOD)
        self._prices_sum = 0  # of the newest 20
        self._activity = 0  # sum of the moves, and of the newest 20
        self._short_activity = 0
        self._volume = 0  # sum of the quantities, and of the newest 20
        self._short_volume = 0
        # What is asked for more than once between two ticks.
        self._row: tuple[float, ...] | None = None
        self._snapshot: bytes | None = None

    def take(self, tick: MarketTick) -> None:
        """Take the next tick of the instrument."""
        self._push(tick.price_raw, tick.last_traded_quantity)

    def held(self) -> tuple[int, int, bytes, bytes]:
        """The ticks of the window, and where in the rings they stand."""
        return self._count, self._at, self._prices.tobytes(), self._quantities.tobytes()

    def row(self) -> tuple[float, ...] | None:
        """The features in the order of ``FEATURE_NAMES``; None before the 101st tick.

        Asked again before the next tick, it gives the same tuple.
        """
        if self._row is None and self._count > WINDOW:
            self._row = self._computed()
        return self._row

    @property
    def mean_move(self) -> float:
        """The mean absolute change over the last 20 ticks, in raw price units."""
        return quotient(self._short_activity, _SHORT)

    def snapshot(self) -> bytes:
        """The ticks of the window; equal for equal windows."""
        snapshot = self._snapshot
        if snapshot is None:
            head = _HEAD.pack(_VERSION, FEATURES_VERSION, self._count)
            prices = self._newest(self._prices, self._count)
            snapshot = head + packed(prices) + packed(self._newest(self._quantities, WINDOW))
            self._snapshot = snapshot
        return snapshot

    @classmethod
    def restored(cls, state: bytes) -> Self:
        """The features that gave ``state`` as their snapshot.

        Raises:
            ValueError: it is of another version, or damaged.
        """
        features = cls()
        features._fill(*_unpacked(state))
        return features

    def _computed(self) -> tuple[float, ...]:
        prices, at = self._prices, self._at
        price = prices[at - 1 & _MASK]
        moved = self._short_activity or 1  # where it is 0, so are all that are divided by it
        return (
            quotient(_SHORT * (price - prices[at - 2 & _MASK]), moved),
            quotient(_SHORT * (price - prices[at - 6 & _MASK]), moved),
            quotient(_SHORT * (price - prices[at - 1 - _SHORT & _MASK]), moved),
            quotient(_SHORT * price - self._prices_sum, moved),
            self._rsi.value,
            quotient(_RATIO * self._short_activity, self._activity) if self._activity else 1.0,
            quotient(_RATIO * self._short_volume, self._volume) if self._volume else 1.0,
        )

    def _fill(self, prices: "array[int]", moves: "array[int]", quantities: "array[int]") -> None:
        """Stand as after these prices, at most 101, with the moves and quantities that they had."""
        count = len(prices)
        self._count = self._at = count  # which is less than the ring holds
        for ring, values in (
            (self._prices, prices),
            (self._moves, moves),
            (self._quantities, quantities),
        ):
            ring[count - len(values) : count] = values
        for price in prices[-_RSI_PERIOD - 1 :]:
            self._rsi.update(price)
        self._prices_sum = sum(prices[-_SHORT:])
        self._activity, self._short_activity = sum(moves), sum(moves[-_SHORT:])
        self._volume, self._short_volume = sum(quantities), sum(quantities[-_SHORT:])

    def _push(self, price: int, quantity: int) -> None:
        self._row = self._snapshot = None
        at, prices, moves, quantities = self._at, self._prices, self._moves, self._quantities
        long_ago, short_ago = at - WINDOW & _MASK, at - _SHORT & _MASK
        if self._count:
            move = abs(price - prices[at - 1 & _MASK])
            self._activity += move - moves[long_ago]
            self._short_activity += move - moves[short_ago]
            moves[at] = move
        if self._count <= WINDOW:
            self._count += 1
        self._prices_sum += price - prices[short_ago]
        prices[at] = price
        self._volume += quantity - quantities[long_ago]
        self._short_volume += quantity - quantities[short_ago]
        quantities[at] = quantity
        self._at = at + 1 & _MASK
        self._rsi.update(price)

    def _newest(self, ring: "array[int]", count: int) -> "array[int]":
        begin = self._at - count & _MASK
        if begin < self._at or not count:
            return ring[begin : self._at]
        return ring[begin:] + ring[: self._at]


@lru_cache(maxsize=1)
def _unpacked(state: bytes) -> tuple["array[int]", "array[int]", "array[int]"]:
    """Prices, moves and quantities of a window.

    The strategies on an instrument come back one after the other, and most with equal windows.
    """
    if state[:1] != bytes([_VERSION]):
        raise ValueError("feature state is of another version")
    try:
        _, features_version, count = _HEAD.unpack_from(state)
        values = struct.unpack(f"<{count + WINDOW}q", state[_HEAD.size :])
    except struct.error as error:
        raise ValueError("feature state is damaged") from error
    if features_version != FEATURES_VERSION or count > WINDOW + 1:
        raise ValueError("feature state is of another version of the features")
    prices, quantities = values[:count], values[count:]
    moves = [abs(after - before) for before, after in pairwise(prices)]
    quantities = quantities[-min(count, WINDOW) :] if count else ()
    return array("q", prices), array("q", moves), array("q", quantities)


def features_at(ticks: Iterable[MarketTick]) -> tuple[float, ...] | None:
    """The features after the last of ``ticks``, oldest first; None where they are too few."""
    features = MomentumFeatures()
    for tick in ticks:
        features.update(tick)
    return features.row()
