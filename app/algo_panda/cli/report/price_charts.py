"""Prices with entries and exits, an instrument at a time."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any, Final, NamedTuple

from algo_panda.cli.report.charts import Chart
from algo_panda.cli.report.clocks import Clocks
from algo_panda.domain.money import PRICE_SCALE, plain
from algo_panda.domain.timestamps import to_micros
from algo_panda.replay.ledger import BookKey
from algo_panda.replay.lots import Lot
from algo_panda.replay.prices import Prices
from algo_panda.replay.results import Results
from algo_panda.replay.trades import PositionSide, Trade

MOST_INSTRUMENTS: Final = 20
MOST_MARKED: Final = 500
"""Trades of an instrument whose entry and exit are marked, and entries still open: with more, every
second one is, or every third, and so on."""
_FEW: Final = 200
"""Marks that have room to be large."""


class _Mark(NamedTuple):
    kind: str
    time_us: int
    price: Decimal
    text: str


def charted_instruments(results: Results, tokens: Iterable[int]) -> Sequence[int]:
    """Which ``tokens`` there is a chart of: those with the most trades, then the most fills."""

    def rank(token: int) -> tuple[int, int, int]:
        part = results.instruments.get(token)
        if part is None:
            return 0, 0, token
        return -part.standing.trades.count, -part.standing.money.fills, token

    return sorted(set(tokens), key=rank)[:MOST_INSTRUMENTS]


def price_charts(
    results: Results, prices: Prices, tokens: Sequence[int], clocks: Clocks
) -> Sequence[Mapping[str, Any]]:
    """One of each of ``tokens``: its chart, and what is left out."""
    trades: dict[int, list[Trade]] = {token: [] for token in tokens}
    for trade in results.trades:
        if trade.instrument_token in trades:
            trades[trade.instrument_token].append(trade)
    lots: dict[int, list[tuple[BookKey, Lot]]] = {token: [] for token in tokens}
    for key, held in results.open_lots.items():
        if key.instrument_token in lots:
            lots[key.instrument_token] += [(key, lot) for lot in held]
    return [
        {
            "token": token,
            "note": _note(results, token, len(trades[token]), len(lots[token])),
            "chart": _chart(
                results.zone, token, prices, _marks(trades[token], lots[token]), clocks
            ),
        }
        for token in tokens
    ]


def _chart(zone: str, token: int, prices: Prices, marks: Sequence[_Mark], clocks: Clocks) -> Chart:
    points = prices.points(token)
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "price",
        "meta": "price",
        "x": [clocks.axis(point.time_us) for point in points],
        "y": [point.price_raw / 10**PRICE_SCALE for point in points],
        "hovertemplate": "%{y}<extra></extra>",
    }
    return {
        "data": [line, *(_markers(name, kind, marks, clocks) for name, kind in _KINDS)],
        "layout": {
            "hovermode": "closest",
            "uirevision": token,
            "xaxis": {
                "type": "date",
                "title": {"text": f"time ({zone})"},
                "rangeslider": {"visible": True, "thickness": 0.09},
            },
            "yaxis": {"title": {"text": f"price of {token}"}},
        },
    }


_KINDS: Final = (
    ("long entry", "long-entry"),
    ("long exit", "long-exit"),
    ("short entry", "short-entry"),
    ("short exit", "short-exit"),
)
_SYMBOLS: Final = {
    "long-entry": "triangle-up",
    "long-exit": "triangle-down-open",
    "short-entry": "triangle-down",
    "short-exit": "triangle-up-open",
}
"""Up is a purchase; what is filled opens."""


def _markers(name: str, kind: str, marks: Sequence[_Mark], clocks: Clocks) -> Mapping[str, Any]:
    ours = [mark for mark in marks if mark.kind == kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "meta": kind,
        "x": [clocks.axis(mark.time_us) for mark in ours],
        "y": [float(mark.price) for mark in ours],
        "customdata": [mark.text for mark in ours],
        "hovertemplate": "%{customdata}<extra></extra>",
        "marker": {"symbol": _SYMBOLS[kind], "size": 11 if len(marks) <= _FEW else 6},
    }


def _marks(trades: Sequence[Trade], lots: Sequence[tuple[BookKey, Lot]]) -> Sequence[_Mark]:
    marks: list[_Mark] = []
    for trade in trades[:: _stride(len(trades))]:
        side, units = trade.side.lower(), f"{trade.quantity:,}"
        strategy = escape(trade.strategy_id)
        entry, exit_ = plain(trade.entry_price), plain(trade.exit_price)
        marks += (
            _Mark(
                f"{side}-entry",
                to_micros(trade.entry_time),
                trade.entry_price,
                f"{side} entry: {units} at {entry}<br>{strategy}",
            ),
            _Mark(
                f"{side}-exit",
                to_micros(trade.exit_time),
                trade.exit_price,
                f"{side} exit: {units} at {exit_}, entered at {entry}"
                f"<br>net profit {plain(trade.net_profit)}<br>{strategy}",
            ),
        )
    for key, lot in lots[:: _stride(len(lots))]:
        side = (PositionSide.LONG if lot.sign > 0 else PositionSide.SHORT).lower()
        text = f"{side} entry, still open: {lot.quantity:,} at {plain(lot.price)}"
        marks.append(
            _Mark(f"{side}-entry", lot.time_us, lot.price, f"{text}<br>{escape(key.strategy_id)}")
        )
    return marks


def _note(results: Results, token: int, kept: int, lots: int) -> str:
    part = results.instruments.get(token)
    if part is None:
        return "It was not traded."
    count = part.standing.trades.count
    closed = f"{count:,} closed trade{'' if count == 1 else 's'}" + _marked(kept)
    if kept < count:
        closed += f" and only of the first {kept:,}"
    still = f"{lots:,} {'entry' if lots == 1 else 'entries'} still open" + _marked(lots)
    return f"{closed}; {still}."


def _marked(number: int) -> str:
    stride = _stride(number)
    return "" if stride == 1 else f", of which 1 in {stride:,} is marked"


def _stride(number: int) -> int:
    return max(1, -(-number // MOST_MARKED))
