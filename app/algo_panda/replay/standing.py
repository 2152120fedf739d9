"""What books came to, in the instruments' currency."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from algo_panda.replay.exact import as_money, exactly
from algo_panda.replay.ledger import Book, BookKey, Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """What fills came to."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
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

    @property
    @exactly
    def realized_profit(self) -> Decimal:
        """Net profit of closed trades."""
        return self.trades.profit - self.trades.loss

    @property
    @exactly
    def unrealized_profit(self) -> Decimal:
        """Of what is open, at the last prices, less the fees that opening it cost."""
        return self.net_profit - self.realized_profit


def standing(books: Iterable[tuple[BookKey, Book]], ledger: Ledger) -> Standing:
    """What ``books`` of ``ledger`` came to together."""
    keys_and_books = list(books)
    positions: dict[int, int] = {}
    for (_, _, token), book in keys_and_books:
        positions[token] = positions.get(token, 0) + book.position
    held = {token: units for token, units in positions.items() if units}
    value_raw = sum(units * ledger.prices_raw[token] for token, units in held.items())
    given = [book for _, book in keys_and_books]
    return Standing(
        money=_money(given),
        trades=_trades(given),
        positions=held,
        open_value=as_money(value_raw),
    )


def _money(books: Sequence[Book]) -> Money:
    return Money(
        fills=sum(book.fills for book in books),
        traded=as_money(sum(book.traded_raw for book in books)),
        cash=as_money(sum(book.cash_raw for book in books)),
        fees=as_money(sum(book.fees_raw for book in books)),
        slippage=as_money(sum(book.slippage_raw for book in books)),
        fills_without_fees=sum(book.fills_without_fees for book in books),
        fills_without_slippage=sum(book.fills_without_slippage for book in books),
    )


def _trades(books: Sequence[Book]) -> TradeTotals:
    return TradeTotals(
        count=sum(book.trades for book in books),
        won=sum(book.won for book in books),
        lost=sum(book.lost for book in books),
        profit=as_money(sum(book.profit_raw for book in books)),
        loss=as_money(sum(book.loss_raw for book in books)),
        holding_us=sum(book.holding_us for book in books),
    )
