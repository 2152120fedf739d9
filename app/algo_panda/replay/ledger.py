"""Fills as money: cash, positions, fees and slippage, by strategy, account and instrument.

All of it in whole numbers of ``10**-8``: quantities times prices are exact.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from algo_panda.domain.trading import Side
from algo_panda.replay.exact import as_money
from algo_panda.replay.lots import Lots
from algo_panda.replay.trades import Fill, PositionSide, Trade

_BUY: Final = Side.BUY
_LONG: Final = PositionSide.LONG


class BookKey(NamedTuple):
    """What is booked apart."""

    strategy_id: str
    account: str
    instrument_token: int


class Book:
    """Of one strategy, account and instrument."""

    def __init__(self) -> None:
        self.fills = 0
        self.traded_raw = 0
        """Quantity times price of purchases and sales."""
        self.cash_raw = 0
        """What sales brought less what purchases cost, before fees."""
        self.fees_raw = 0
        self.slippage_raw = 0
        """``(fill price - reference price) * quantity``, positive where it cost; part of cash."""
        self.fills_without_fees = 0
        """That do not say what fees they cost."""
        self.fills_without_slippage = 0
        """Of orders that nobody told of."""
        self.position = 0
        """Units held, negative when short."""
        self.lots = Lots()
        self.trades = 0
        """Closed."""
        self.won = 0
        """With a net profit."""
        self.lost = 0
        """With a net loss; the others came out even."""
        self.profit_raw = 0
        """Net profit of those that won."""
        self.loss_raw = 0
        """Net loss of those that lost, positive."""
        self.holding_us = 0
        """From entry to exit, all trades, microseconds."""

    def take(self, fill: Fill, units: int, price_raw: int) -> None:
        """Book a fill, of ``units``, negative when sold."""
        value_raw = units * price_raw
        self.fills += 1
        self.traded_raw += abs(value_raw)
        self.cash_raw -= value_raw
        self.position += units
        fees_raw, reference_raw = fill.report.fees_raw, fill.reference_raw
        if fees_raw is None:
            self.fills_without_fees += 1
        else:
            self.fees_raw += fees_raw
        if reference_raw is None:
            self.fills_without_slippage += 1
        else:
            self.slippage_raw += units * (price_raw - reference_raw)

    def count(self, trade: Trade) -> None:
        """Count a closed trade."""
        self.trades += 1
        self.holding_us += trade.exit_us - trade.entry_us
        gained_raw = trade.exit_value_raw - trade.entry_value_raw
        net_raw = (gained_raw if trade.side is _LONG else -gained_raw) - trade.fees_raw
        if net_raw > 0:
            self.won += 1
            self.profit_raw += net_raw
        elif net_raw < 0:
            self.lost += 1
            self.loss_raw -= net_raw

    def net_raw(self, price_raw: int) -> int:
        """Profit and loss after fees, the position at ``price_raw``."""
        return self.cash_raw - self.fees_raw + self.position * price_raw


class Valuation(NamedTuple):
    """All books at one moment, after fees."""

    profit: Decimal
    """Profit and loss, open positions at their last prices."""
    net: Decimal
    """Market value of what is held, less that of what is short."""
    gross: Decimal
    """Market value of both, added up over the books."""


class Ledger:
    """All books.

    Args:
        on_trade: takes every trade when it is whole.
    """

    def __init__(self, on_trade: Callable[[Trade], None]) -> None:
        self._on_trade = on_trade
        self.books: dict[BookKey, Book] = {}
        self.prices_raw: dict[int, int] = {}
        """The last price of every instrument that was traded."""
        self._cash_raw = 0
        self._net: dict[int, int] = {}
        self._gross: dict[int, int] = {}

    def book(self, fills: Iterable[Fill]) -> None:
        """Take fills."""
        for fill in fills:
            self._book(fill)

    def mark(self, prices: Mapping[int, Sequence[int | None]], moment: int) -> None:
        """Raw last prices by instrument from now on, those of one ``moment`` of each sequence."""
        for token, of_token in prices.items():
            price = of_token[moment]
            if price is not None:
                self.prices_raw[token] = price

    def valuation(self) -> Valuation:
        """What all books come to, at the last prices."""
        prices, net_raw, gross_raw = self.prices_raw, 0, 0
        for token, units in self._net.items():
            if units:
                net_raw += units * prices[token]
        for token, units in self._gross.items():
            if units:
                gross_raw += units * prices[token]
        return Valuation(as_money(self._cash_raw + net_raw), as_money(net_raw), as_money(gross_raw))

    def end(self) -> None:
        """Hand out the last trades: no more fills come."""
        for book in self.books.values():
            for trade in book.lots.end():
                book.count(trade)
                self._on_trade(trade)

    def _book(self, fill: Fill) -> None:
        report = fill.report
        token = report.instrument_token
        key = (report.strategy_id, report.account, token)
        book = self.books.get(cast("Any", key))  # equal to the key made of it, and sooner made
        if book is None:
            book = self.books[BookKey(*key)] = Book()
        price_raw = report.last_price_raw or 0
        units, held = report.last_quantity, abs(book.position)
        if report.side is not _BUY:
            units = -units
        book.take(fill, units, price_raw)
        for trade in book.lots.take(fill):
            book.count(trade)
            self._on_trade(trade)
        self._cash_raw -= units * price_raw + (report.fees_raw or 0)
        self._net[token] = self._net.get(token, 0) + units
        self._gross[token] = self._gross.get(token, 0) + abs(book.position) - held
        if token not in self.prices_raw:  # a mark for what no tick was seen of
            self.prices_raw[token] = price_raw
