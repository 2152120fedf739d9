"""Indicators that take one price at a time, in whole numbers, so that they never drift."""

import struct
import sys
from array import array
from decimal import Decimal
from enum import Enum
from typing import ClassVar, Final, NamedTuple, Self

from mypy_extensions import mypyc_attr

from algo_panda.domain.quotient import quotient


class Zone(Enum):
    """Where an indicator stands to a lower and an upper threshold."""

    BELOW = "below"
    WITHIN = "within"
    """Between the two, or on one of them."""
    ABOVE = "above"


_BELOW: Final = Zone.BELOW
_WITHIN: Final = Zone.WITHIN
_ABOVE: Final = Zone.ABOVE

MAX_PERIOD = 10_000
"""Most changes that a window may hold."""


class Level(NamedTuple):
    """An RSI value as an exact fraction, to compare with by cross-multiplication."""

    numerator: int
    denominator: int

    @classmethod
    def of(cls, value: Decimal) -> Self:
        """``value`` as a fraction.

        Raises:
            ValueError: not a number from 0 to 100.
        """
        if not (value.is_finite() and 0 <= value <= 100):
            raise ValueError(f"{value} is not an RSI value: it must be 0 to 100")
        return cls(*value.as_integer_ratio())


@mypyc_attr(allow_interpreted_subclasses=True)
class CutlerRsi:
    """Cutler's relative strength index over the last ``period`` price changes.

    ``RSI = 100 * G / (G + L)`` with ``G`` and ``L`` the sums of the rises and of the falls among
    those changes: simple rolling means in place of Wilder's smoothed ones (C. Cutler; see
    https://en.wikipedia.org/wiki/Relative_strength_index#Cutler's_RSI), so the value depends on
    nothing older than the window. Without a fall it is 100. Without any movement it is
    ``flat_rsi``.

    Prices are whole numbers of any fixed scale, of 64 bits. The sums are whole numbers too: the
    comparison with a threshold is exact, equality included, after any number of updates. An
    update costs the same at any period.
    """

    __slots__ = (
        "_at",
        "_changes",
        "_flat",
        "_gains",
        "_last",
        "_losses",
        "_missing",
        "_period",
        "_started",
    )

    _HEAD: ClassVar = struct.Struct("<BII?q")
    _VERSION: ClassVar = 1

    def __init__(self, *, period: int, flat_rsi: Decimal = Decimal(50)) -> None:
        """Start without a price.

        Raises:
            ValueError: ``period`` is not 1 to 10,000, or ``flat_rsi`` not 0 to 100.
        """
        if not 1 <= period <= MAX_PERIOD:
            raise ValueError(f"period is {period}, not a number from 1 to {MAX_PERIOD}")
        self._period = period
        self._flat = Level.of(flat_rsi)
        self._started = False
        self._last = 0
        # Plain 64-bit numbers. Python's own would, one by one, be made here and freed there, until
        # what is free lies scattered all over the memory, and so everything that is made anew.
        self._changes = array("q", bytes(8 * period))
        self._at = 0  # where the oldest change stands, and the next one goes
        self._missing = period
        self._gains = 0
        self._losses = 0

    def update(self, price: int) -> bool:
        """Take the next price; whether the RSI has a value now."""
        last = self._last
        self._last = price
        if not self._started:
            self._started = True
            return False
        changes, at = self._changes, self._at
        change = price - last
        oldest = changes[at]
        changes[at] = change
        self._at = at + 1 if at + 1 < self._period else 0
        if change > 0:
            self._gains += change
        elif change:
            self._losses -= change
        if oldest > 0:
            self._gains -= oldest
        elif oldest:
            self._losses += oldest
        if self._missing:
            self._missing -= 1
            return not self._missing
        return True

    def zone(self, lower: Level, upper: Level) -> Zone:
        """Where the RSI stands; a value equal to a threshold is within. Ask only when ready."""
        gains = self._gains
        total = gains + self._losses
        if total:
            gains *= 100
        else:
            gains, total = self._flat
        if gains * lower[1] < lower[0] * total:
            return _BELOW
        if gains * upper[1] > upper[0] * total:
            return _ABOVE
        return _WITHIN

    @property
    def value(self) -> float:
        """The RSI, rounded once to a float; for people and models. Ask only when ready."""
        total = self._gains + self._losses
        if total:
            return quotient(100 * self._gains, total)
        return quotient(self._flat.numerator, self._flat.denominator)

    def snapshot(self) -> bytes:
        """The window and the last price; equal for equal windows."""
        count = self._period - self._missing
        known = self._changes[self._at :] + self._changes[: self._at]
        if self._missing:
            known = known[self._missing :]
        head = self._HEAD.pack(self._VERSION, self._period, count, self._started, self._last)
        return head + packed(known)

    def restore(self, state: bytes) -> None:
        """Go on from where ``snapshot`` gave ``state``.

        Raises:
            ValueError: it is of another version or period, or damaged; nothing was changed.
        """
        if state[:1] != bytes([self._VERSION]):
            raise ValueError("RSI state is of another version")
        try:
            _, period, count, started, last = self._HEAD.unpack_from(state)
            known = struct.unpack(f"<{count}q", state[self._HEAD.size :])
        except struct.error as error:
            raise ValueError("RSI state is damaged") from error
        if period != self._period:
            raise ValueError(f"RSI state is of period {period}, not {self._period}")
        if count > (period if started else 0):
            raise ValueError("RSI state is damaged")
        self._started = started
        self._last = last if started else 0
        self._missing = period - count
        self._changes = array("q", (*([0] * self._missing), *known))
        self._at = 0
        self._gains = sum(change for change in known if change > 0)
        self._losses = -sum(change for change in known if change < 0)


def packed(numbers: "array[int]") -> bytes:
    """64-bit numbers, little-endian."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
