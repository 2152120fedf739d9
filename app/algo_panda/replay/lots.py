"""What is open, and what is closed of it: first in, first out."""

from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from algo_panda.domain.trading import ExecutionReport, Side
from algo_panda.replay.exact import as_money, share
from algo_panda.replay.trades import Fill, PositionSide, Trade, new_trade

_BUY: Final = Side.BUY
_LONG: Final = PositionSide.LONG
_SHORT: Final = PositionSide.SHORT
_TRADE: Final = Trade


class Lot:
    """Units of one fill that are still open; amounts in ``10**-8``."""

    def __init__(
        self, order: str, sign: int, quantity: int, price_raw: int, fees_raw: int, time_us: int
    ) -> None:
        self.order = order
        self.sign = sign
        """+1 long, -1 short."""
        self.quantity = quantity
        self.price_raw = price_raw
        self.fees_raw = fees_raw
        """Of these units."""
        self.time_us = time_us

    @property
    def price(self) -> Decimal:
        """What each was filled at."""
        return as_money(self.price_raw)

    @property
    def fees(self) -> Decimal:
        """Of these units."""
        return as_money(self.fees_raw)

    def take(self, quantity: int) -> int:
        """Close so many of them; returns their share of the fees."""
        fees_raw = share(self.fees_raw, quantity, self.quantity)
        self.fees_raw -= fees_raw
        self.quantity -= quantity
        return fees_raw


class _Match:
    """What one order closed of another's units so far."""

    def __init__(self, lot: Lot, closing: ExecutionReport) -> None:
        self.closing = closing
        self.exit_order: str = closing.client_order_id
        self.entry_order = lot.order
        self.sign = lot.sign
        self.entry_us = lot.time_us
        self.exit_us = 0
        self.quantity = 0
        self.entry_value_raw = 0
        self.exit_value_raw = 0
        self.fees_raw = 0

    def trade(self) -> Trade:
        closing = self.closing
        fields: tuple[object, ...] = (
            closing.strategy_id,
            closing.strategy_type,
            closing.account,
            closing.instrument_token,
            _LONG if self.sign > 0 else _SHORT,
            self.quantity,
            self.entry_order,
            self.entry_us,
            self.entry_value_raw,
            self.exit_order,
            self.exit_us,
            self.exit_value_raw,
            self.fees_raw,
        )
        return new_trade(_TRADE, fields)


class Lots:
    """Open units of one strategy on one account and instrument, closed first in, first out.

    Partial fills do not make more trades: what one order closed of another's units is one trade,
    and is handed out when the next begins.
    """

    def __init__(self) -> None:
        self.open: deque[Lot] = deque()
        """The oldest first; all of one sign."""
        self._match: _Match | None = None

    def take(self, fill: Fill) -> Sequence[Trade]:
        """Book a fill; gives the trades that are whole with it."""
        report, time_us, open_ = fill.report, fill.time_us, self.open
        sign = 1 if report.side is _BUY else -1
        left, price_raw, fees_raw = report.last_quantity, report.last_price_raw, report.fees_raw
        price, fees = price_raw or 0, fees_raw or 0
        trades: list[Trade] = []
        while left and open_:
            lot = open_[0]
            if lot.sign == sign:
                break
            quantity = min(left, lot.quantity)
            match = self._matched(lot, report, trades)
            paid = share(fees, quantity, left)
            match.quantity += quantity
            match.entry_value_raw += lot.price_raw * quantity
            match.exit_value_raw += price * quantity
            match.fees_raw += lot.take(quantity) + paid
            match.exit_us = time_us
            fees -= paid
            left -= quantity
            if not lot.quantity:
                open_.popleft()
        if left:
            open_.append(Lot(report.client_order_id, sign, left, price, fees, time_us))
        return trades

    def end(self) -> Sequence[Trade]:
        """The last trade, where there is one: no more fills come."""
        match, self._match = self._match, None
        return () if match is None else (match.trade(),)

    def _matched(self, lot: Lot, closing: ExecutionReport, trades: list[Trade]) -> _Match:
        """Have a match of these two at hand; hands out the trade that the one before came to."""
        match = self._match
        if match is not None:
            if match.entry_order == lot.order and match.exit_order == closing.client_order_id:
                return match
            trades.append(match.trade())
        match = self._match = _Match(lot, closing)
        return match
