"""Fills as money: cash, positions, fees and slippage, by strategy, account and instrument."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from app.domain.money import PRICE_SCALE, from_raw, to_raw
from app.replay.exact import exactly, rounded
from app.replay.trades import Fill, Lots, Trade

_MICROSECOND = timedelta(microseconds=1)


@dataclass(slots=True)
class Money:
    """What fills came to, in the instruments' currency."""

    fills: int = 0
    traded: Decimal = Decimal(0)
    """Quantity times price of purchases and sales."""
    cash: Decimal = Decimal(0)
    """What sales brought less what purchases cost, before fees."""
    fees: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)
    """``(fill price - reference price) * quantity``, positive where it cost; part of ``cash``."""
    fills_without_fees: int = 0
    """That do not say what fees they cost."""
    fills_without_slippage: int = 0
    """Of orders that nobody told of."""

    def book(self, fill: Fill) -> None:
        """Take a fill."""
        report = fill.report
        units, price = report.signed_quantity, report.last_price or Decimal(0)
        value = units * price
        self.fills += 1
        self.traded += abs(value)
        self.cash -= value
        if report.fees is None:
            self.fills_without_fees += 1
        else:
            self.fees += report.fees
        if fill.reference_price is None:
            self.fills_without_slippage += 1
        else:
            self.slippage += units * (price - fill.reference_price)

    def add(self, other: "Money") -> None:
        """Take in what others came to."""
        self.fills += other.fills
        self.traded += other.traded
        self.cash += other.cash
        self.fees += other.fees
        self.slippage += other.slippage
        self.fills_without_fees += other.fills_without_fees
        self.fills_without_slippage += other.fills_without_slippage


@dataclass(slots=True)
class TradeTotals:
    """What closed trades came to."""

    count: int = 0
    won: int = 0
    """Trades with a net profit."""
    lost: int = 0
    """Trades with a net loss; the others came out even."""
    profit: Decimal = Decimal(0)
    """Net profit of those that won."""
    loss: Decimal = Decimal(0)
    """Net loss of those that lost, positive."""
    holding_us: int = 0
    """From entry to exit, all trades, microseconds."""

    def take(self, trade: Trade) -> None:
        """Count a trade."""
        self.count += 1
        self.holding_us += trade.holding_time // _MICROSECOND
        if trade.net_profit > 0:
            self.won += 1
            self.profit += trade.net_profit
        elif trade.net_profit < 0:
            self.lost += 1
            self.loss -= trade.net_profit

    def add(self, other: "TradeTotals") -> None:
        """Take in others."""
        self.count += other.count
        self.won += other.won
        self.lost += other.lost
        self.profit += other.profit
        self.loss += other.loss
        self.holding_us += other.holding_us


class BookKey(NamedTuple):
    """What is booked apart."""

    strategy_id: str
    account: str
    instrument_token: int


@dataclass(slots=True)
class Book:
    """Of one strategy, account and instrument."""

    money: Money = field(default_factory=Money)
    position: int = 0
    """Units held, negative when short."""
    lots: Lots = field(default_factory=Lots)
    trades: TradeTotals = field(default_factory=TradeTotals)

    def net_profit(self, price: Decimal) -> Decimal:
        """Profit and loss after fees, the position at ``price``."""
        return self.money.cash - self.money.fees + self.position * price


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
        self._prices: dict[int, int] = {}
        self._cash = Decimal(0)
        self._net: dict[int, int] = {}
        self._gross: dict[int, int] = {}

    def book(self, fill: Fill) -> None:
        """Take a fill. Call it in an exact context (``exactly``)."""
        report = fill.report
        token = report.instrument_token
        key = BookKey(report.strategy_id, report.account, token)
        book = self.books.get(key)
        if book is None:
            book = self.books[key] = Book()
        price = report.last_price or Decimal(0)
        book.money.book(fill)
        for trade in book.lots.take(fill):
            book.trades.take(trade)
            self._on_trade(trade)
        units, held = report.signed_quantity, abs(book.position)
        book.position += units
        self._cash -= units * price + (report.fees or Decimal(0))
        self._net[token] = self._net.get(token, 0) + units
        self._gross[token] = self._gross.get(token, 0) + abs(book.position) - held
        if token not in self._prices:  # a mark for what no tick was seen of
            self._prices[token] = to_raw(rounded(price))

    def mark(self, prices: Mapping[int, Sequence[int | None]], moment: int) -> None:
        """Raw last prices by instrument from now on, those of one ``moment`` of each sequence."""
        for token, of_token in prices.items():
            price = of_token[moment]
            if price is not None:
                self._prices[token] = price

    def price(self, instrument_token: int) -> Decimal:
        """The last price of an instrument that was traded."""
        return from_raw(self._prices[instrument_token])

    @exactly
    def valuation(self) -> Valuation:
        """What all books come to, at the last prices."""
        prices = self._prices
        net = sum(units * prices[token] for token, units in self._net.items() if units)
        gross = sum(units * prices[token] for token, units in self._gross.items() if units)
        value = Decimal(net).scaleb(-PRICE_SCALE)
        return Valuation(self._cash + value, value, Decimal(gross).scaleb(-PRICE_SCALE))

    @exactly
    def end(self) -> None:
        """Hand out the last trades: no more fills come."""
        for book in self.books.values():
            for trade in book.lots.end():
                book.trades.take(trade)
                self._on_trade(trade)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What some books came to."""

    money: Money
    trades: TradeTotals
    positions: Mapping[int, int]
    """Units by instrument, negative when short; those that are flat are left out."""
    open_value: Decimal
    """Market value of the positions at the last prices, negative when short."""

    @property
    @exactly
    def gross_profit(self) -> Decimal:
        """Profit and loss before fees, open positions at the last prices."""
        return self.money.cash + self.open_value

    @property
    @exactly
    def net_profit(self) -> Decimal:
        """The same after fees."""
        return self.gross_profit - self.money.fees


@exactly
def standing(books: Iterable[tuple[BookKey, Book]], ledger: Ledger) -> Standing:
    """What ``books`` of ``ledger`` came to together."""
    money, trades = Money(), TradeTotals()
    positions: dict[int, int] = {}
    for (_, _, token), book in books:
        money.add(book.money)
        trades.add(book.trades)
        positions[token] = positions.get(token, 0) + book.position
    held = {token: units for token, units in positions.items() if units}
    value = sum((units * ledger.price(token) for token, units in held.items()), Decimal(0))
    return Standing(money=money, trades=trades, positions=held, open_value=value)
