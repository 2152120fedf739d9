"""What a run came to, ready for the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from algo_panda.cli.replay_view import ReplayReport
from algo_panda.cli.report.charts import Chart, distribution_chart, equity_chart, exposure_chart
from algo_panda.cli.report.clocks import Clocks
from algo_panda.cli.report.price_charts import charted_instruments, price_charts
from algo_panda.cli.report.result_tables import (
    instrument_table,
    monthly_table,
    part_cells,
    part_head,
    standing_cells,
    trade_table,
)
from algo_panda.cli.report.tables import Cell, Table, count, cut, money, statistic
from algo_panda.cli.statistics_view import shown_statistics
from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.signals import SignalType
from algo_panda.replay.closings import equity_of
from algo_panda.replay.figures import too_few
from algo_panda.replay.prices import Prices
from algo_panda.replay.results import NO_MONEY
from algo_panda.replay.statistics import LEAST_DAYS, Floats, RuinError, daily_returns
from algo_panda.replay.summary import time_in_market
from algo_panda.replay.trade_statistics import LEAST_TRADES

_NOTHING_SAID: Final = "did not trade"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number that is to be seen at once, or why there is none."""

    name: str
    field: str
    cell: Cell


class Contents:
    """Of one run.

    Args:
        report: the run.
        prices: of its instruments.
    """

    def __init__(self, report: ReplayReport, prices: Prices) -> None:
        self.report = report
        self.results = report.results
        self.clocks = Clocks(ZoneInfo(report.results.zone))
        self._prices = prices
        self._tokens = sorted({token for one in report.configs for token in one.instruments})

    @property
    def period(self) -> str | None:
        """First and last event time; None without ticks."""
        tally = self.report.tally
        if tally.first_us is None or tally.last_us is None:
            return None
        first, last = map(self.clocks.text_us, (tally.first_us, tally.last_us))
        return f"{first} to {last} ({self.results.zone})"

    @property
    def tiles(self) -> Sequence[Tile]:
        """What is asked first."""
        whole = self.results.whole
        statistics = {shown.field: shown for shown in shown_statistics(whole)}
        exposed = time_in_market(self.results.equity)
        in_market = (
            Cell(exposed.reason or "", "none")
            if exposed.value is None
            else Cell(f"{100 * exposed.value:,.2f} %", "number", str(exposed.value))
        )
        return [
            Tile(name="net profit", field="net_profit", cell=money(whole.standing.net_profit)),
            *(
                Tile(name=statistics[field].name, field=field, cell=statistic(statistics[field]))
                for field in ("total_return", "sharpe_ratio", "max_drawdown", "win_rate")
            ),
            Tile(name="closed trades", field="trades", cell=count(whole.standing.trades.count)),
            Tile(name="fees paid", field="fees", cell=statistic(statistics["fees"])),
            Tile(name="time in market", field="time_in_market", cell=in_market),
        ]

    @property
    def whole(self) -> Sequence[tuple[str, Cell]]:
        """All statistics of everything together."""
        return list(zip(part_head(self.results), part_cells(self.results.whole), strict=True))

    @property
    def strategies(self) -> Table:
        """A row for each."""
        kinds = [kind.value for kind in SignalType]
        head = ("strategy", "type", *kinds, "orders", *part_head(self.results))
        rows = [self._strategy(config, len(head)) for config in self.report.configs]
        return cut(Table(name="strategies", caption="By strategy", head=head, rows=rows))

    def _strategy(self, config: StrategyConfig, columns: int) -> Sequence[Cell]:
        said = self.report.said_by(config)
        part = self.results.strategies.get(config.strategy_id)
        row = [
            Cell(config.strategy_id),
            Cell(config.strategy_type),
            *(count(said.signals[kind]) for kind in SignalType),
            count(said.orders),
        ]
        if part is not None:
            return [*row, *part_cells(part)]
        row += standing_cells(NO_MONEY)
        return [*row, *[Cell(_NOTHING_SAID, "none")] * (columns - len(row))]

    @property
    def instruments(self) -> Table:
        """A row for each that was traded."""
        return instrument_table(self.results)

    @property
    def trades(self) -> Table:
        """The first of them."""
        return trade_table(self.results, self.clocks)

    @property
    def months(self) -> Table | str:
        """Returns by month, or why there are none."""
        returns = self._returns()
        if isinstance(returns, str):
            return returns
        return monthly_table(self.results, returns) if len(returns) else "no day with ticks"

    def charts(self) -> Mapping[str, Any]:
        """Everything that is drawn: a chart, or the reason why there is none."""
        results = self.results
        tokens = charted_instruments(results, self._tokens)
        has_samples = bool(results.equity)
        return {
            "equity": equity_chart(results, self.clocks) if has_samples else "no ticks",
            "exposure": exposure_chart(results, self.clocks) if has_samples else "no ticks",
            "daily": self._daily(),
            "trade": self._per_trade(),
            "prices": price_charts(results, self._prices, tokens, self.clocks),
        }

    @property
    def uncharted(self) -> str | None:
        """What charts of prices leave out."""
        left = len(self._tokens) - len(charted_instruments(self.results, self._tokens))
        return f"{left:,} instruments with fewer trades are left out." if left else None

    def _returns(self) -> Floats | str:
        try:
            return daily_returns(equity_of(self.results.whole.daily, self.results.capital))
        except RuinError as error:
            return str(error)

    def _daily(self) -> Chart | str:
        returns = self._returns()
        if isinstance(returns, str):
            return returns
        why = too_few(len(returns), LEAST_DAYS, "daily return")
        return why or distribution_chart(returns.tolist(), "return of a day", "days")

    def _per_trade(self) -> Chart | str:
        """Net profit over the value at entry."""
        trades = self.results.trades
        why = too_few(len(trades), LEAST_TRADES, "trade")
        returns = [
            float(trade.net_profit / (trade.entry_price * trade.quantity))
            for trade in trades
            if trade.entry_price
        ]
        return why or distribution_chart(returns, "return of a trade", "trades")
