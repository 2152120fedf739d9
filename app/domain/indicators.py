"""Indicators that take one price at a time, in whole numbers, so that they never drift."""

import struct
from collections import deque
from decimal import Decimal
from enum import Enum
from typing import ClassVar, NamedTuple, Self

from mypy_extensions import mypyc_attr

from app.domain.quotient import quotient


class Zone(Enum):
    """Where an indicator stands to a lower and an upper threshold."""

    BELOW = "below"
    WITHIN = "within"
    """Between the two, or on one of them."""
    ABOVE = "above"


_BELOW, _WITHIN, _ABOVE = Zone.BELOW, Zone.WITHIN, Zone.ABOVE

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

    Prices are whole numbers of any fixed scale. The sums are whole numbers too: the comparison
    with a threshold is exact, equality included, after any number of updates. An update costs
    the same at any period.
    """

    __slots__ = ("_changes", "_flat", "_gains", "_last", "_losses", "_missing", "_period")

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
        self._last: int | None = None
        self._changes = deque([0] * period, period)
        self._missing = period
        self._gains = 0
        self._losses = 0

    def update(self, price: int) -> bool:
        """Take the next price; whether the RSI has a value now."""
        last = self._last
        self._last = price
        if last is None:
            return False
        changes = self._changes
        change = price - last
        oldest = changes[0]
        changes.append(change)  # pushes the oldest out
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
        known = list(self._changes)[self._missing :]
        head = self._HEAD.pack(
            self._VERSION, self._period, count, self._last is not None, self._last or 0
        )
        return head + struct.pack(f"<{count}q", *known)

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
        self._last = last if started else None
        self._missing = period - count
        self._changes = deque([0] * self._missing + list(known), period)
        self._gains = sum(change for change in known if change > 0)
        self._losses = -sum(change for change in known if change < 0)
