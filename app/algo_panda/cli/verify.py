"""``panda replay --verify-live``: whether a replay says what was said live."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

from algo_panda.cli.progress import counting
from algo_panda.domain.money import plain
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.settings import Settings

if TYPE_CHECKING:
    from algo_panda.domain.market import MarketTick
    from algo_panda.domain.signals import TradingSignal
    from algo_panda.replay.live_versions import Gap
    from algo_panda.replay.selection import Selection
    from algo_panda.replay.ticks import RecordedTicks
    from algo_panda.replay.verification import Explained, PartitionVerdict
    from algo_panda.runner.state import StrategyRecord

DIFFERS = 9
"""Exit code where live and replay do not agree."""


def run_verification(
    settings: Settings,
    source: "RecordedTicks",
    selection: "Selection",
    *,
    as_json: bool,
    notices: Console,
) -> None:
    """Compare, and say what came of it.

    Raises:
        PandaError: topics or ticks cannot be read.
        typer.Exit: they differ.
    """
    from algo_panda.bootstrap.verification import verify_live

    done = 0
    with counting(notices, "ticks", source.count) as show:

        def progress(ticks: int) -> None:
            nonlocal done
            done += ticks
            show(done)

        verdicts = verify_live(settings, source, selection, on_progress=progress)
    if as_json:
        typer.echo(json.dumps(_as_object(source.name, verdicts)))
    else:
        _show(Console(highlight=False, markup=False, soft_wrap=True), source.name, verdicts)
    if any(verdict.differences for verdict in verdicts):
        raise typer.Exit(DIFFERS)


def _show(console: Console, source: str, verdicts: "Sequence[PartitionVerdict]") -> None:
    compared = [verdict for verdict in verdicts if verdict.ticks]
    ticks = sum(verdict.ticks for verdict in compared)
    where = ", ".join(f"{v.partition}:{v.first_offset}-{v.end_offset}" for v in compared)
    agreed = sum(verdict.signals for verdict in compared)
    differences = sum(verdict.differences for verdict in compared)
    for verdict in compared:
        for strategy_id, version in sorted(verdict.unknown):
            console.print(
                f"not compared on partition {verdict.partition}: version {version} of strategy"
                f" {strategy_id}, which ran before activations held configurations"
            )
    for verdict in verdicts:
        if verdict.kept_from:
            console.print(
                f"not compared on partition {verdict.partition}: ticks before offset"
                f" {verdict.kept_from}, whose signals are not on the topic any more"
            )
    for verdict in verdicts:
        for gap in verdict.gaps:
            console.print(_gap_line(verdict.partition, gap))
    if not differences:
        console.print(
            f"EQUAL: {agreed:,} signals of {ticks:,} ticks from {source} are the same to the byte,"
            f" live and replayed (offsets {where})"
        )
        return
    console.print(
        f"DIFFERENT: {differences:,} signals ({sum(v.only_live for v in compared):,} only live,"
        f" {sum(v.only_replayed for v in compared):,} only in the replay), {agreed:,} are the same,"
        f" of {ticks:,} ticks from {source} (offsets {where})"
    )
    first = min(
        (v.first for v in compared if v.first is not None), key=lambda one: _arrival(one.tick)
    )
    for line in _explained(first):
        console.print(line)
    cold = ", ".join(f"{verdict.partition}" for verdict in compared if verdict.is_cold)
    if cold:
        console.print(
            f"  on partitions {cold}, ticks that warmed strategies up live are not there any more"
        )


def _gap_line(partition: int, gap: "Gap") -> str:
    return (
        f"warning: strategy {gap.strategy_id} ({gap.strategy_type}) did not process offsets"
        f" {gap.first_offset} to {gap.end_offset - 1} of partition {partition}: version"
        f" {gap.ended_version} ended at {gap.first_offset}, version {gap.begun_version} began at"
        f" {gap.end_offset}, and the row was not disabled"
    )


def _arrival(tick: "MarketTick | None") -> int:
    return 0 if tick is None else tick.received_time_us


def _explained(first: "Explained") -> Sequence[str]:
    signal = first.difference.signal
    where = f"partition {signal.tick_partition} offset {signal.tick_offset}"
    is_twice = first.difference.is_contradicted
    version = f"{signal.strategy_type}, version {signal.strategy_version}"
    contradicted = " (and sent again as something else)" if is_twice else ""
    who = f"strategy {signal.strategy_id} ({version})"
    return (
        f"the first: {who} on instrument {signal.instrument_token}",
        f"  tick:     {where}, {_tick(first.tick)}",
        f"  live:     {_said(first.difference.live)}{contradicted}",
        f"  replay:   {_said(first.difference.replayed)}",
        f"  state before the tick, replayed: {_state(first.state)}",
    )


def _tick(tick: "MarketTick | None") -> str:
    if tick is None:
        return "which is not there any more"
    return f"{iso_utc(tick.event_time)} at {plain(tick.last_price)}"


def _said(signal: "TradingSignal | None") -> str:
    if signal is None:
        return "nothing"
    return (
        f"{signal.signal_type} {signal.quantity} at {plain(signal.price)}, confidence"
        f" {signal.confidence!r}, for {', '.join(signal.brokers) or 'readers only'},"
        f" model {signal.model_digest or 'none'}: {signal.reasoning or ''}"
    )


def _state(state: "StrategyRecord | None") -> str:
    if state is None:
        return "none, it begins here"
    parts = [f"{state.ticks_seen:,} ticks seen, version {state.version}"]
    if state.quarantine_reason is not None:
        parts.append(f"quarantined: {state.quarantine_reason}")
    for name, snapshot in (("processor", state.processor), ("bars", state.bars)):
        if snapshot is not None:
            parts.append(f"{name} {_snapshot(snapshot)}")
    return "; ".join(parts)


def _snapshot(snapshot: bytes) -> str:
    try:
        return snapshot.decode("utf-8")
    except UnicodeDecodeError:
        return snapshot.hex()


def _as_object(source: str, verdicts: "Sequence[PartitionVerdict]") -> Mapping[str, Any]:
    return {
        "source": source,
        "equal": not any(verdict.differences for verdict in verdicts),
        "ticks": sum(verdict.ticks for verdict in verdicts),
        "signals": sum(verdict.signals for verdict in verdicts),
        "differences": sum(verdict.differences for verdict in verdicts),
        "partitions": [
            {
                "partition": verdict.partition,
                "first_offset": verdict.first_offset,
                "end_offset": verdict.end_offset,
                "ticks": verdict.ticks,
                "signals": verdict.signals,
                "differences": verdict.differences,
                "only_live": verdict.only_live,
                "only_replayed": verdict.only_replayed,
                "not_compared": [list(version) for version in sorted(verdict.unknown)],
                "signals_kept_from": verdict.kept_from,
                "ticks_before_are_gone": verdict.is_cold,
                "gaps": [gap._asdict() for gap in verdict.gaps],
                "first_difference": None if verdict.first is None else _object_of(verdict.first),
            }
            for verdict in verdicts
        ],
    }


def _object_of(first: "Explained") -> Mapping[str, Any]:
    signal, tick = first.difference.signal, first.tick
    return {
        "strategy_id": signal.strategy_id,
        "strategy_version": signal.strategy_version,
        "instrument_token": signal.instrument_token,
        "tick_offset": signal.tick_offset,
        "tick_event_time": None if tick is None else iso_utc(from_micros(tick.event_time_us)),
        "tick_price": None if tick is None else plain(tick.last_price),
        "live": _said(first.difference.live),
        "replayed": _said(first.difference.replayed),
        "state": _state(first.state),
    }
