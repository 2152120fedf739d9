"""Books what a replay trades, and marks it to market as time passes."""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from decimal import Decimal

from algo_panda.domain.signals import TradingSignal
from algo_panda.replay.closings import Closings
from algo_panda.replay.days import Days
from algo_panda.replay.equity import EquityCurve, EquitySample
from algo_panda.replay.exact import exactly
from algo_panda.replay.ledger import Ledger
from algo_panda.replay.marks import prices_at
from algo_panda.replay.ticks import EVENT, TickColumns, Unusable
from algo_panda.replay.timeline import Moment, Timeline
from algo_panda.replay.trades import Trade
from algo_panda.replay.trading import Event
from algo_panda.replay.unbooked import Unbooked

DEFAULT_CAPITAL = Decimal(1_000_000)
MOST_TRADES_KEPT = 100_000


class Portfolio:
    """A ``ReplayListener``: cash, positions, trades and equity of all strategies together.

    A replay tells of a block of ticks first, and of what came of them behind it. So a block is
    kept until the next begins, and then gone through once: at every moment of the grid, and at
    the end of every day, the fills and prices up to then count, by their event times. What comes
    later than its event time says, behind a block that went on from there, counts when it comes.

    Args:
        capital: equity at the beginning, more than 0; in the currency of all instruments.
        zone: whose days.
        curve: takes the samples.
        most_trades: kept of the trades; they all count.
    """

    def __init__(
        self,
        *,
        capital: Decimal = DEFAULT_CAPITAL,
        zone: tzinfo = UTC,
        curve: EquityCurve | None = None,
        most_trades: int = MOST_TRADES_KEPT,
    ) -> None:
        self.capital = capital
        self.zone = zone
        self.curve = curve or EquityCurve()
        self.ledger = Ledger(self._keep)
        self.closings = Closings()
        self.trades: list[Trade] = []
        """The first ``most_trades``, in the order in which they were whole."""
        self._most_trades = most_trades
        self._timeline = Timeline(Days(zone), self.curve)
        self._columns: list[TickColumns] = []
        self._is_block_whole = False
        self._is_finished = False
        self._unbooked = Unbooked()

    def ticks(self, columns: TickColumns, /) -> None:
        """Keep them until all that came of them is known."""
        if self._is_block_whole:
            self._settle()
        if len(columns):
            self._columns.append(columns)

    def unusable_record(self, record: Unusable, /) -> None:
        """It moves no money."""

    def signals(self, _signals: Sequence[TradingSignal], /) -> None:
        """All ticks of a block have been told of: those of another follow."""
        self._is_block_whole = True

    def events(self, events: Sequence[Event], /) -> None:
        """Keep fills until the ticks before them have been gone through."""
        self._unbooked.take(events)

    @exactly
    def finish(self) -> None:
        """Close the last day, and the books; once. Nothing may follow."""
        if self._is_finished:
            return
        self._is_finished = True
        self._settle()
        left = self._unbooked.due(None)
        self.ledger.book(left)
        self.ledger.end()
        newest, day = self._timeline.newest_us, self._timeline.open_day
        if newest is not None and day is not None:
            self._sample(max(newest, left[-1].time_us) if left else newest)
            self.closings.close(day, self.ledger)

    @exactly
    def _settle(self) -> None:
        """Go through the block at hand."""
        self._is_block_whole = False
        columns, self._columns = self._columns, []
        if not columns:
            return
        if self._timeline.newest_us is None:
            self._begin(columns)
        moments = self._timeline.passed(columns)
        tokens = {key.instrument_token for key in self.ledger.books} | self._unbooked.instruments()
        ends = [*(moment.time_us for moment in moments), self._timeline.newest_us or 0]
        prices = prices_at(ends, tokens, columns)
        for n, end in enumerate(ends):
            self.ledger.mark(prices, n)
            self.ledger.book(self._unbooked.due(end))
            if n < len(moments):
                self._look(moments[n])

    def _begin(self, columns: Sequence[TickColumns]) -> None:
        """The curve begins with the capital, a step before the end of the first cell."""
        oldest = min(int(part.fields[EVENT].min()) for part in columns)
        self._sample(oldest - self.curve.step_us)

    def _look(self, moment: Moment) -> None:
        if moment.closes is None:
            self._sample(moment.time_us)
        else:
            self.closings.close(moment.closes, self.ledger)

    def _sample(self, time_us: int) -> None:
        profit, net, gross = self.ledger.valuation()
        self.curve.add(EquitySample(time_us, self.capital + profit, net, gross))

    def _keep(self, trade: Trade) -> None:
        if len(self.trades) < self._most_trades:
            self.trades.append(trade)
