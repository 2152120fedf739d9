"""Tables of what a run came to: its parts, its months, its trades."""

from collections.abc import Sequence
from typing import Final

from algo_panda.cli.report.clocks import Clocks
from algo_panda.cli.report.tables import Cell, Table, count, cut, money, statistic
from algo_panda.cli.statistics_view import shown_statistics
from algo_panda.domain.money import plain
from algo_panda.replay.results import Part, Results
from algo_panda.replay.standing import Standing
from algo_panda.replay.statistics import Floats
from algo_panda.replay.summary import monthly_returns
from algo_panda.replay.trades import Trade

MOST_TRADES: Final = 1_000
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def part_head(results: Results) -> Sequence[str]:
    """What ``part_cells`` says."""
    names = (shown.name for shown in shown_statistics(results.whole))
    return (
        *("net profit", "unrealized profit", "profit before fees"),
        *("traded value", "fills", "closed trades"),
        *names,
    )


def part_cells(part: Part) -> Sequence[Cell]:
    """Money, trades and statistics of one strategy, one instrument or everything."""
    return [*standing_cells(part.standing), *map(statistic, shown_statistics(part))]


def standing_cells(standing: Standing) -> Sequence[Cell]:
    """The money and trades alone."""
    return [
        money(standing.net_profit),
        money(standing.unrealized_profit),
        money(standing.gross_profit),
        money(standing.money.traded),
        count(standing.money.fills),
        count(standing.trades.count),
    ]


def instrument_table(results: Results) -> Table:
    """A row for each instrument that was traded; those with the most trades first."""

    def rank(item: tuple[int, Part]) -> tuple[int, int, int]:
        token, part = item
        return -part.standing.trades.count, -part.standing.money.fills, token

    ordered = sorted(results.instruments.items(), key=rank)
    return cut(
        Table(
            name="instruments",
            caption="By instrument",
            head=("instrument", "position", *part_head(results)),
            rows=[
                [
                    Cell(str(token)),
                    count(part.standing.positions.get(token, 0)),
                    *part_cells(part),
                ]
                for token, part in ordered
            ],
            note="" if ordered else "No instrument was traded.",
        )
    )


def monthly_table(results: Results, returns: Floats) -> Table:
    """Compound returns of months and years; ``returns`` are those of ``results.days``."""
    months = monthly_returns(results.days, returns)
    years: dict[int, float] = {}
    for (year, _), one in months.items():
        years[year] = (1 + years.get(year, 0.0)) * (1 + one) - 1
    return Table(
        name="months",
        caption="Returns by month",
        head=("year", *MONTHS, "whole year"),
        rows=[
            [
                Cell(str(year)),
                *(_return(months.get((year, month))) for month in range(1, 13)),
                _return(whole),
            ]
            for year, whole in years.items()
        ],
        note="Compound, of the days with ticks; a month may be there in part.",
    )


def trade_table(results: Results, clocks: Clocks) -> Table:
    """The first trades."""
    total = results.whole.standing.trades.count
    shown = results.trades[:MOST_TRADES]
    note = f"Times by the clocks of {results.zone}."
    if not total:
        note = "No trade was closed."
    elif len(shown) < total:
        note = f"The first {len(shown):,} of {total:,} closed trades. {note}"
    return Table(
        name="trades",
        caption="Closed trades",
        head=(
            "entry",
            "exit",
            "instrument",
            "side",
            "units",
            "entry price",
            "exit price",
            "fees",
            "net profit",
            "held",
            "strategy",
            "account",
        ),
        rows=[_trade(trade, clocks) for trade in shown],
        note=note,
    )


def _trade(trade: Trade, clocks: Clocks) -> Sequence[Cell]:
    return (
        Cell(clocks.text(trade.entry_time)),
        Cell(clocks.text(trade.exit_time)),
        Cell(str(trade.instrument_token)),
        Cell(trade.side.lower()),
        count(trade.quantity),
        Cell(plain(trade.entry_price), "number", plain(trade.entry_price)),
        Cell(plain(trade.exit_price), "number", plain(trade.exit_price)),
        money(trade.fees),
        money(trade.net_profit),
        Cell(str(trade.holding_time).partition(".")[0], "number"),
        Cell(trade.strategy_id),
        Cell(trade.account),
    )


def _return(value: float | None) -> Cell:
    if value is None:
        return Cell("")
    kind = "gain" if value > 0 else "loss" if value < 0 else "number"
    return Cell(f"{100 * value:+,.2f} %", kind, str(value))
