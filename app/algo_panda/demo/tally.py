"""What has passed so far, counted from what is on the topics."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from algo_panda.domain.money import plain
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport


@dataclass(slots=True)
class Book:
    """Positions and cash of one strategy type."""

    cash: Decimal = Decimal(0)
    positions: dict[int, int] = field(default_factory=dict[int, int])

    def take(self, fill: ExecutionReport) -> None:
        """Book a fill, and its fees."""
        token, change = fill.instrument_token, fill.signed_quantity
        self.positions[token] = self.positions.get(token, 0) + change
        self.cash -= change * (fill.last_price or Decimal(0)) + (fill.fees or Decimal(0))

    def value(self, prices: dict[int, Decimal]) -> Decimal:
        """Profit and loss with open positions marked to the last price seen."""
        held = (prices.get(token, Decimal(0)) * n for token, n in self.positions.items())
        return self.cash + sum(held, Decimal(0))


@dataclass(slots=True)
class Tally:
    """Counts, and a book per strategy type."""

    ticks_published: int = 0
    ticks_processed: int = 0
    signals: dict[str, int] = field(default_factory=dict[str, int])
    orders: int = 0
    fills: int = 0
    ended: int = 0
    """Orders that came to their end."""
    rejections: int = 0
    dead_letters: int = 0
    books: dict[str, Book] = field(default_factory=dict[str, Book])
    prices: dict[int, Decimal] = field(default_factory=dict[int, Decimal])

    def take_signal(self, signal: TradingSignal) -> None:
        """Count a signal."""
        self.signals[signal.strategy_type] = self.signals.get(signal.strategy_type, 0) + 1
        self.prices[signal.instrument_token] = signal.tick_price

    def take_execution(self, report: ExecutionReport) -> None:
        """Count it, and book a fill."""
        self.ended += report.status.is_terminal
        if report.last_quantity:
            self.fills += 1
            self.books.setdefault(report.strategy_type, Book()).take(report)

    @property
    def open_orders(self) -> int:
        """Orders that wait for a tick."""
        return self.orders - self.ended

    def profit(self) -> dict[str, Decimal]:
        """Profit and loss by strategy type."""
        return {name: book.value(self.prices) for name, book in sorted(self.books.items())}

    def as_object(self, seconds: float) -> dict[str, Any]:
        """The summary that ``--json`` prints."""
        return {
            "ticks_published": self.ticks_published,
            "ticks_processed": self.ticks_processed,
            "signals": dict(sorted(self.signals.items())),
            "orders": self.orders,
            "fills": self.fills,
            "open_orders": self.open_orders,
            "rejections": self.rejections,
            "dead_letters": self.dead_letters,
            "profit_and_loss": {name: plain(value) for name, value in self.profit().items()},
            "seconds": round(seconds, 3),
        }
