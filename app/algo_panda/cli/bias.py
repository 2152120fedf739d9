"""``panda replay --check-bias``: look-ahead and warm-up of strategies."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from algo_panda.cli.mapping import read_once, temporary_folder
from algo_panda.cli.progress import counting
from algo_panda.cli.stopping import stop_on_signals
from algo_panda.cli.verify import DIFFERS
from algo_panda.settings import Settings

if TYPE_CHECKING:
    from algo_panda.domain.config import StrategyConfig
    from algo_panda.replay.bias import BiasReport, Changed, StrategyBias
    from algo_panda.replay.ticks import RecordedTicks

_PLAIN_WIDTH = 120


def run_bias_check(
    settings: Settings,
    source: "RecordedTicks",
    configs: "Sequence[StrategyConfig]",
    *,
    as_json: bool,
    notices: Console,
) -> None:
    """Make the runs, and say what came of them.

    Raises:
        PandaError: ticks or strategies cannot be used.
        typer.Exit: a strategy looks ahead, or a signal ended it.
    """
    from algo_panda.bootstrap.bias import bias_of
    from algo_panda.replay.bias import RUNS

    with temporary_folder() as folder, stop_on_signals(lambda: None) as received:

        def stopped() -> bool:
            return bool(received)

        ticks, _ = read_once(source, folder, stopped, notices)
        with counting(notices, f"of {RUNS} runs", RUNS) as show_progress:
            report = bias_of(settings, ticks, configs, stopped=stopped, on_progress=show_progress)
    if as_json:
        typer.echo(json.dumps(_as_object(report)))
    else:
        console = Console(highlight=False, markup=False)
        console.width = console.width if console.is_terminal else max(console.width, _PLAIN_WIDTH)
        _show(console, report)
    if received:
        raise typer.Exit(128 + received[0])
    if report.looks_ahead:
        raise typer.Exit(DIFFERS)


def _show(console: Console, report: "BiasReport") -> None:
    if not report.is_complete:
        console.print("PARTIAL: stopped before the end")
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("strategy")
    table.add_column("type")
    for name in ("signals", "look-ahead", "depend on the start", "warm after ticks"):
        table.add_column(name, justify="right")
    for strategy_id, found in report.strategies.items():
        counts = (found.signals, found.looks_ahead, found.depends_on_start, found.warm_after_ticks)
        shown = (f"{count:,}" for count in counts)
        table.add_row(strategy_id[:8], found.strategy_type, *shown)
    console.print(table)
    for strategy_id, found in report.strategies.items():
        if found.first_look_ahead is not None:
            console.print(
                f"{strategy_id[:8]} LOOKS AHEAD, or says by chance: "
                f"{_explained(found.first_look_ahead)}",
                soft_wrap=True,
            )
    if report.is_complete and not report.looks_ahead:
        console.print("no signal changed when later ticks were taken away")


def _explained(one: "Changed") -> str:
    signal = one.signal
    return (
        f"at partition {signal.tick_partition} offset {signal.tick_offset}, with later ticks "
        f"{_said(one.whole)}, without them {_said(one.cut)}"
    )


def _said(signal: Any) -> str:  # noqa: ANN401 - a signal or None, not imported at start-up
    if signal is None:
        return "nothing"
    return f"{signal.signal_type} {signal.quantity} at {signal.price} ({signal.reasoning or ''})"


def _as_object(report: "BiasReport") -> Mapping[str, Any]:
    return {
        "outcome": "complete" if report.is_complete else "partial",
        "looks_ahead": report.looks_ahead,
        "strategies": [_of(name, found) for name, found in report.strategies.items()],
    }


def _of(strategy_id: str, found: "StrategyBias") -> Mapping[str, Any]:
    first = found.first_look_ahead
    return {
        "id": strategy_id,
        "strategy_type": found.strategy_type,
        "signals": found.signals,
        "look_ahead": found.looks_ahead,
        "first_look_ahead": None if first is None else _explained(first),
        "depend_on_start": found.depends_on_start,
        "warm_after_ticks": found.warm_after_ticks,
    }
