"""``panda replay compare``: two runs side by side."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.domain.errors import BadInputError

_REPORT = "report.json"
_PLAIN_WIDTH = 160
_ALWAYS = (
    "outcome",
    "source",
    "ticks",
    "open_orders",
    "statistics.all.net_profit",
    "statistics.all.gross_profit",
    "statistics.all.fees",
    "statistics.all.slippage",
    "statistics.all.total_return",
    "statistics.all.sharpe_ratio",
    "statistics.all.max_drawdown",
    "statistics.all.trades",
    "statistics.all.win_rate",
    "statistics.all.profit_factor",
    "fingerprint.ticks",
    "fingerprint.configuration",
    "fingerprint.signals",
    "fingerprint.fills",
)
"""Shown whether they differ or not."""
_TIMING = frozenset({"seconds", "ticks_per_second"})
"""Of no interest: they say how busy the machine was."""
_ALGORITHM = "fingerprint.algorithm"
_DETAILS = ("statistics.strategies.", "statistics.instruments.", "fingerprint.whole", _ALGORITHM)
"""For programs: they follow from what is shown, or are told below it."""
_SHOWN_DIGITS = 16
_UUID = re.compile(r"([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def compare(
    first: Annotated[Path, typer.Argument(help="A folder of 'panda replay --output'.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show two runs side by side: what they came to, and every fact in which they differ."""
    runs = [_read(path) for path in (first, second)]
    facts = [dict(_facts(run)) for run in runs]
    names = [*facts[0], *(name for name in facts[1] if name not in facts[0])]
    differing = [name for name in names if facts[0].get(name) != facts[1].get(name)]
    if as_json:
        differences = {name: [found.get(name) for found in facts] for name in differing}
        typer.echo(json.dumps({"runs": runs, "differences": differences}))
        return
    console = Console(highlight=False, markup=False)
    console.width = console.width if console.is_terminal else max(console.width, _PLAIN_WIDTH)
    others = [n for n in differing if n not in _ALWAYS and not n.startswith(_DETAILS)]
    shown = [*(name for name in _ALWAYS if name in names), *others]
    console.print(_table((str(first), str(second)), shown, facts))
    console.print(_verdict(facts, len(differing)), soft_wrap=True)


def _table(
    titles: Sequence[str], names: Sequence[str], facts: Sequence[Mapping[str, Any]]
) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("")
    for title in titles:
        table.add_column(title, justify="right", overflow="fold")
    for name in names:
        values = [found.get(name) for found in facts]
        mark = "" if values[0] == values[1] else "≠"
        label = _UUID.sub(r"\1", name.removeprefix("statistics.all."))
        table.add_row(mark, label, *(_shown(name, value) for value in values))
    return table


def _verdict(facts: Sequence[Mapping[str, Any]], differing: int) -> str:
    def same(part: str) -> bool:
        return len({found.get(f"fingerprint.{part}") for found in facts}) == 1

    if not differing:
        return "the same run: all facts are equal"
    if len({found.get(_ALGORITHM) for found in facts}) > 1:
        return "their fingerprints are hashes of two kinds: replay the older one anew to compare it"
    if not same("ticks"):
        return "they are of different ticks"
    if same("signals") and same("fills"):
        return "the same ticks led to the same signals and fills"
    if same("signals"):
        return "the same ticks led to the same signals, and these to other fills"
    return "the same ticks led to other signals"


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - a JSON value
    match value:
        case None:
            return "-"
        case str():
            return value[:_SHOWN_DIGITS] if name.startswith("fingerprint.") else value
        case float():
            return f"{value:.6g}"
        case _:
            return json.dumps(value)


def _facts(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Every value that is no object, under the keys that lead to it, joined by points."""
    match value:
        case dict():
            for key, inner in cast("dict[str, Any]", value).items():
                if name or key not in _TIMING:
                    yield from _facts(inner, f"{name}.{key}" if name else key)
        case [dict(), *_]:
            for index, inner in enumerate(cast("list[dict[str, Any]]", value)):
                yield from _facts(inner, f"{name}.{inner.get('id', index)}")
        case _:
            yield name, value


def _read(path: Path) -> dict[str, Any]:
    file = path / _REPORT if path.is_dir() else path
    try:
        found: Any = json.loads(file.read_text("utf-8"))
    except OSError as error:
        hint = "" if path.is_file() else "; name a folder that 'panda replay --output' wrote"
        raise BadInputError(f"{file}: {error.strerror}{hint}") from error
    except ValueError as error:
        raise BadInputError(f"{file} is no report of a replay: {error}") from error
    if not isinstance(found, dict) or "fingerprint" not in found:
        what = "is the report of a sweep, not of a run" if "sweep" in file.name else "is no report"
        raise BadInputError(f"{file} {what}")
    return cast("dict[str, Any]", found)
