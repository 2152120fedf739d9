"""The charts of a report, as plotly.js takes them: traces and a layout.

Colours are the page's own, which knows whether it is dark; here they have names, such as "long".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from algo_panda.cli.report.clocks import Clocks
from algo_panda.replay.equity import EquitySample
from algo_panda.replay.results import Results

Chart = Mapping[str, Any]

_MOST_BINS = 50
_MONEY = {"hoverformat": ",.2f", "tickformat": ",~f"}


def equity_chart(results: Results, clocks: Clocks) -> Chart:
    """Equity, and below it how far it is from its highest so far."""
    times = _times(results.equity, clocks)
    fall = [100 * share for share in drawdowns(results)]
    return {
        "data": [
            _line("equity", times, [float(sample.equity) for sample in results.equity]),
            {**_line("drawdown", times, fall), "yaxis": "y2", "fill": "tozeroy"},
        ],
        "layout": {
            "hovermode": "x unified",
            "showlegend": False,
            "xaxis": {**_time_axis(results.zone), "anchor": "y2"},
            "yaxis": {"title": {"text": "equity"}, "domain": [0.36, 1], **_MONEY},
            "yaxis2": {
                "title": {"text": "drawdown"},
                "domain": [0, 0.28],
                "ticksuffix": " %",
                "hoverformat": ".3f",
            },
        },
    }


def exposure_chart(results: Results, clocks: Clocks) -> Chart:
    """Market value of what is open, at the moments of the equity curve."""
    times = _times(results.equity, clocks)
    gross = [float(sample.gross_exposure) for sample in results.equity]
    net = [float(sample.net_exposure) for sample in results.equity]
    step = {"line": {"shape": "hv", "width": 1.5}}
    return {
        "data": [
            {**_line("gross", times, gross), "fill": "tozeroy", **step},
            {**_line("net", times, net), **step},
        ],
        "layout": {
            "hovermode": "x unified",
            "xaxis": _time_axis(results.zone),
            "yaxis": {"title": {"text": "market value"}, **_MONEY},
        },
    }


def distribution_chart(values: Sequence[float], title: str, counted: str) -> Chart:
    """How many ``values``, which are fractions, are in each of some bins; 0 is between two bins."""
    counts, edges = bins(values)
    centres = (edges[:-1] + edges[1:]) / 2
    return {
        "data": [
            {
                "type": "bar",
                "name": name,
                "meta": name,
                "x": (100 * centres[which]).tolist(),
                "y": counts[which].tolist(),
                "width": 100 * float(edges[1] - edges[0]),
                "customdata": [
                    f"{100 * low:.4g} % to {100 * high:.4g} %"
                    for low, high in zip(edges[:-1][which], edges[1:][which], strict=True)
                ],
                "hovertemplate": "%{customdata}: %{y}<extra></extra>",
            }
            for name, which in (("loss", centres < 0), ("gain", centres > 0))
        ],
        "layout": {
            "bargap": 0,
            "showlegend": False,
            "xaxis": {"title": {"text": title}, "ticksuffix": " %"},
            "yaxis": {"title": {"text": counted}},
        },
    }


def drawdowns(results: Results) -> Sequence[float]:
    """Of every sample: equity over its highest so far, the capital included, less 1."""
    equity = np.array([float(sample.equity) for sample in results.equity], np.float64)
    highest = np.maximum(np.maximum.accumulate(equity), float(results.capital))
    fall: list[float] = (equity / highest - 1).tolist()
    return fall


def bins(values: Sequence[float]) -> tuple[Any, Any]:
    """Counts, and the edges of bins of one width, of which one is 0."""
    given = np.array(values, np.float64)
    spread = float(given.max() - given.min()) or abs(float(given[0])) or 1e-4
    width = spread / min(_MOST_BINS, max(8, math.isqrt(len(given))))
    first = math.floor(float(given.min()) / width)
    last = max(math.floor(float(given.max()) / width) + 1, first + 1)
    edges = np.arange(first, last + 1) * width
    places = np.clip(np.floor(given / width).astype(np.int64) - first, 0, last - first - 1)
    return np.bincount(places, minlength=last - first), edges


def _line(name: str, times: Sequence[float], values: Iterable[float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": name,
        "x": times,
        "y": list(values),
    }


def _times(samples: Sequence[EquitySample], clocks: Clocks) -> Sequence[float]:
    return [clocks.axis(sample.time_us) for sample in samples]


def _time_axis(zone: str) -> dict[str, Any]:
    return {"type": "date", "title": {"text": f"time ({zone})"}}
