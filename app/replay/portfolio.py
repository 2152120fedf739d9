"""Books what a replay trades, and marks it to market as time passes."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, tzinfo
from decimal import Decimal
from operator import attrgetter

from app.domain.signals import TradingSignal
from app.domain.timestamps import to_micros
from app.domain.trading import ExecutionReport, Order, Rejection, Stage
from app.replay.closings import Closings
from app.replay.days import Days
from app.replay.equity import EquityCurve, EquitySample
from app.replay.exact import exactly
from app.replay.ledger import Ledger
from app.replay.marks import prices_at
from app.replay.ticks import EVENT, TickColumns, Unusable
from app.replay.timeline import Moment, Timeline
from app.replay.trades import Fill, Trade

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
        self._fills: list[Fill] = []
        self._references: dict[tuple[str, str], Decimal] = {}
        self._booked_us: dict[tuple[str, str, int], int] = {}

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

    def rejection(self, rejection: Rejection, /) -> None:
        """Forget an order that was let pass and then refused."""
        if rejection.stage is Stage.ROUTER and rejection.account is not None:
            self._references.pop((rejection.signal_id, rejection.account), None)

    def order(self, order: Order, /) -> None:
        """Remember what price it was made at."""
        self._references[order.signal_id, order.account] = order.reference_price

    def execution(self, report: ExecutionReport, /) -> None:
        """Keep a fill until the ticks before it have been gone through."""
        name = (report.signal_id, report.account)
        if report.last_quantity:
            key = (report.strategy_id, report.account, report.instrument_token)
            time_us = to_micros(report.event_time)
            time_us = max(time_us, self._booked_us.get(key, time_us))
            self._booked_us[key] = time_us
            self._fills.append(Fill(time_us, report, self._references.get(name)))
        if report.status.is_terminal:
            self._references.pop(name, None)

    @exactly
    def finish(self) -> None:
        """Close the last day, and the books; once. Nothing may follow."""
        if self._is_finished:
            return
        self._is_finished = True
        self._settle()
        left = sorted(self._fills, key=attrgetter("time_us"))
        for fill in left:
            self.ledger.book(fill)
        self.ledger.end()
        newest, day = self._timeline.newest_us, self._timeline.open_day
        if newest is not None and day is not None:
            self._sample(max(newest, *(fill.time_us for fill in left)) if left else newest)
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
        fills = deque(sorted(self._fills, key=attrgetter("time_us")))
        tokens = {key.instrument_token for key in self.ledger.books}
        tokens.update(fill.report.instrument_token for fill in fills)
        ends = [*(moment.time_us for moment in moments), self._timeline.newest_us or 0]
        prices = prices_at(ends, tokens, columns)
        for n, end in enumerate(ends):
            self.ledger.mark(prices, n)
            while fills and fills[0].time_us <= end:
                self.ledger.book(fills.popleft())
            if n < len(moments):
                self._look(moments[n])
        self._fills = list(fills)

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
