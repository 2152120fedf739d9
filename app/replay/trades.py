"""Round trips: what was bought and sold again, first in, first out."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from app.domain.timestamps import from_micros
from app.domain.trading import ExecutionReport
from app.replay.exact import rounded, share


class PositionSide(StrEnum):
    """Which way a position faces."""

    LONG = "LONG"
    SHORT = "SHORT"


class Fill(NamedTuple):
    """A fill as it is booked."""

    time_us: int
    """When, microseconds since the epoch: its event time, or the one of the fill before it on
    the same strategy, account and instrument, where that is later."""
    report: ExecutionReport
    reference_price: Decimal | None
    """Price of the tick that caused the order; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """Units that one order opened and another closed."""

    strategy_id: str
    strategy_type: str
    account: str
    instrument_token: int
    side: PositionSide
    quantity: int
    entry_order: str
    """``client_order_id`` of the order that opened."""
    entry_time: datetime
    """First fill of it, aware UTC."""
    entry_price: Decimal
    """Mean over the units, to eight decimals."""
    exit_order: str
    exit_time: datetime
    """Last fill, aware UTC."""
    exit_price: Decimal
    fees: Decimal
    """The units' share of the fees of entry and exit."""
    gross_profit: Decimal
    """Sales less purchases."""
    net_profit: Decimal
    """``gross_profit - fees``."""

    @property
    def holding_time(self) -> timedelta:
        """From entry to exit."""
        return self.exit_time - self.entry_time


@dataclass(slots=True)
class Lot:
    """Units of one fill that are still open."""

    order: str
    sign: int
    """+1 long, -1 short."""
    quantity: int
    price: Decimal
    fees: Decimal
    """Of these units."""
    time_us: int

    def take(self, quantity: int) -> Decimal:
        """Close so many of them; returns their share of the fees."""
        fees = share(self.fees, quantity, self.quantity)
        self.fees -= fees
        self.quantity -= quantity
        return fees


@dataclass(slots=True)
class _Match:
    """What one order closed of another's units so far."""

    closing: ExecutionReport
    entry_order: str
    sign: int
    entry_us: int
    exit_us: int
    quantity: int = 0
    entry_value: Decimal = Decimal(0)
    exit_value: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    def trade(self) -> Trade:
        gross = (self.exit_value - self.entry_value) * self.sign
        return Trade(
            strategy_id=self.closing.strategy_id,
            strategy_type=self.closing.strategy_type,
            account=self.closing.account,
            instrument_token=self.closing.instrument_token,
            side=PositionSide.LONG if self.sign > 0 else PositionSide.SHORT,
            quantity=self.quantity,
            entry_order=self.entry_order,
            entry_time=from_micros(self.entry_us),
            entry_price=rounded(self.entry_value / self.quantity),
            exit_order=self.closing.client_order_id,
            exit_time=from_micros(self.exit_us),
            exit_price=rounded(self.exit_value / self.quantity),
            fees=self.fees,
            gross_profit=gross,
            net_profit=gross - self.fees,
        )


class Lots:
    """Open units of one strategy on one account and instrument, closed first in, first out.

    Partial fills do not make more trades: what one order closed of another's units is one trade,
    and is handed out when the next begins.
    """

    def __init__(self) -> None:
        self.open: deque[Lot] = deque()
        """The oldest first; all of one sign."""
        self._match: _Match | None = None

    def take(self, fill: Fill) -> Iterator[Trade]:
        """Book a fill; gives the trades that are whole with it. Run it to its end."""
        report = fill.report
        sign, left = report.side.sign, report.last_quantity
        price, fees = report.last_price or Decimal(0), report.fees or Decimal(0)
        while left and self.open and self.open[0].sign != sign:
            lot = self.open[0]
            quantity = min(left, lot.quantity)
            yield from self._matched(lot, fill)
            match = self._match
            assert match is not None  # noqa: S101 - _matched() made it
            paid = share(fees, quantity, left)
            match.quantity += quantity
            match.entry_value += lot.price * quantity
            match.exit_value += price * quantity
            match.fees += lot.take(quantity) + paid
            match.exit_us = fill.time_us
            fees -= paid
            left -= quantity
            if not lot.quantity:
                self.open.popleft()
        if left:
            order = report.client_order_id
            self.open.append(Lot(order, sign, left, price, fees, fill.time_us))

    def end(self) -> Iterator[Trade]:
        """The last trade, where there is one: no more fills come."""
        if self._match is not None:
            yield self._match.trade()
            self._match = None

    def _matched(self, lot: Lot, fill: Fill) -> Iterator[Trade]:
        """Have a match of these two at hand; gives the trade that the one before came to."""
        match = self._match
        if match is not None:
            at_hand = (match.entry_order, match.closing.client_order_id)
            if at_hand == (lot.order, fill.report.client_order_id):
                return
            yield match.trade()
        self._match = _Match(fill.report, lot.order, lot.sign, lot.time_us, fill.time_us)
