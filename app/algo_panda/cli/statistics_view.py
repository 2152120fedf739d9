"""The statistics of a replay, for people and for programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rich import box
from rich.table import Table

from algo_panda.domain.money import plain
from algo_panda.replay.figures import Figure, no_figure
from algo_panda.replay.results import Part, Results
from algo_panda.replay.standing import Standing
from algo_panda.replay.summary import Statistics, time_in_market

_MOST_COLUMNS = 4
_Form = Callable[[Any], str]


def _percent(value: float) -> str:
    return f"{100 * value:,.2f} %"


def _ratio(value: float) -> str:
    return f"{value:,.2f}"


def _days(value: float) -> str:
    return f"{value:,.0f} day{'' if value == 1 else 's'}"


def _time(value: float) -> str:
    return str(timedelta(seconds=round(value)))


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


_ROWS: Mapping[str, tuple[str, _Form]] = {
    "total_return": ("total return", _percent),
    "annual_return": ("annual return", _percent),
    "annual_volatility": ("annual volatility", _percent),
    "sharpe_ratio": ("Sharpe ratio", _ratio),
    "sortino_ratio": ("Sortino ratio", _ratio),
    "calmar_ratio": ("Calmar ratio", _ratio),
    "max_drawdown": ("maximum drawdown, of closes", _percent),
    "max_drawdown_duration": ("maximum drawdown duration", _days),
    "value_at_risk_95": ("VaR 95, one day", _percent),
    "value_at_risk_99": ("VaR 99, one day", _percent),
    "expectancy": ("expectancy of a trade", _money),
    "profit_factor": ("profit factor", _ratio),
    "win_rate": ("win rate", _percent),
    "average_holding_time": ("average holding time", _time),
    "turnover": ("turnover of a day", _percent),
}
"""Names and forms for people, by field of ``Statistics``."""


_STANDING_ROWS: Mapping[str, Callable[[Standing], str]] = {
    "closed trades": lambda standing: f"{standing.trades.count:,}",
    "profit of closed trades": lambda standing: _money(standing.realized_profit),
    "unrealized profit": lambda standing: _money(standing.unrealized_profit),
    "net profit": lambda standing: _money(standing.net_profit),
}
"""Below the statistics: trades are closed ones, and most of a profit may be in what is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A statistic as people see it."""

    field: str
    """Its name in JSON."""
    name: str
    text: str | None
    """None: there is no number."""
    value: float | str | None
    """As in JSON."""
    reason: str | None
    """Why there is no number."""

    def __str__(self) -> str:
        return f"none: {self.reason}" if self.text is None else self.text


def shown_statistics(part: Part) -> Sequence[Shown]:
    """All statistics of one part, in the order in which people see them."""
    of_part = [
        _shown(field, name, getattr(part.statistics, field), form)
        for field, (name, form) in _ROWS.items()
    ]
    fees, slippage = _fees(part), _slippage(part)
    return [
        *of_part,
        _shown_paid("fees", "fees paid", *fees),
        _shown_paid("slippage", "slippage paid", *slippage),
    ]


def statistics_table(results: Results) -> Table:
    """A row for each; a column for everything, and one for each of a few strategies."""
    count = len(results.days)
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"capital {results.capital:,}; {count:,} day{'' if count == 1 else 's'} with ticks"
        f" ({results.zone})",
        title_justify="left",
    )
    columns = [("all", results.whole)]
    if 1 < len(results.strategies) < _MOST_COLUMNS:
        columns += [(name[:8], part) for name, part in results.strategies.items()]
    table.add_column("statistic")
    for name, _ in columns:
        table.add_column(name, justify="right")
    parts = [part for _, part in columns]
    for row in zip(*map(shown_statistics, parts), strict=True):
        table.add_row(row[0].name, *map(str, row))
    for name, text in _STANDING_ROWS.items():
        table.add_row(name, *(text(part.standing) for part in parts))
    return table


def statistics_object(results: Results) -> Mapping[str, Any]:
    """The same for ``--json``, of all strategies and instruments; null has a reason beside it."""
    exposed = time_in_market(results.equity)
    return {
        "capital": plain(results.capital),
        "time_zone": results.zone,
        "days": len(results.days),
        "days_per_year": results.days_per_year,
        "time_in_market": exposed.value,
        "all": _object(results.whole),
        "strategies": {name: _object(part) for name, part in results.strategies.items()},
        "instruments": {
            str(token): _object(part) for token, part in sorted(results.instruments.items())
        },
    }


def _object(part: Part) -> Mapping[str, Any]:
    named = {field.name: getattr(part.statistics, field.name) for field in fields(Statistics)}
    named["fees"], silent_fees = _fees(part)
    named["slippage"], silent_slippage = _slippage(part)
    money, trades = part.standing.money, part.standing.trades
    return {
        **{name: _number(figure.value) for name, figure in named.items()},
        "reasons": {name: figure.reason for name, figure in named.items() if figure.value is None},
        "trades": trades.count,
        "trades_won": trades.won,
        "trades_lost": trades.lost,
        "gross_profit": plain(part.standing.gross_profit),
        "net_profit": plain(part.standing.net_profit),
        "realized_profit": plain(part.standing.realized_profit),
        "unrealized_profit": plain(part.standing.unrealized_profit),
        "traded_value": plain(money.traded),
        "fills": money.fills,
        "fills_without_fees": silent_fees,
        "fills_without_slippage": silent_slippage,
    }


def _number(value: float | Decimal | None) -> float | str | None:
    return plain(value) if isinstance(value, Decimal) else value


def _shown(field: str, name: str, figure: Figure[Any], form: _Form) -> Shown:
    value = figure.value
    return Shown(
        field=field,
        name=name,
        text=None if value is None else form(value),
        value=_number(value),
        reason=figure.reason,
    )


def _fees(part: Part) -> tuple[Figure[Decimal], int]:
    """What was paid, and how many fills do not say."""
    money = part.standing.money
    return _paid(money.fees, money.fills_without_fees, money.fills), money.fills_without_fees


def _slippage(part: Part) -> tuple[Figure[Decimal], int]:
    """What was paid, and of how many fills it is not known."""
    money, silent = part.standing.money, part.standing.money.fills_without_slippage
    return _paid(money.slippage, silent, money.fills), silent


def _paid(amount: Decimal, silent: int, fills: int) -> Figure[Decimal]:
    return no_figure("no fill says") if silent and silent == fills else Figure(amount)


def _shown_paid(field: str, name: str, paid: Figure[Decimal], silent: int) -> Shown:
    partly = f" ({silent:,} fills do not say)" if silent else ""
    return _shown(field, name, paid, lambda amount: _money(amount) + partly)
