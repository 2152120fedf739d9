"""``panda train``: makes the model of the two model strategies out of ticks."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from algo_panda.domain.errors import BadInputError, ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import iso_utc
from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from algo_panda.ingest.source import Row
    from algo_panda.ml.training import TrainedModel

_data = Console(highlight=False, markup=False)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

_SYNTHETIC_INSTRUMENTS = tuple(range(1, 9))
_SYNTHETIC_START = datetime(2024, 1, 1, tzinfo=UTC)
_SYNTHETIC_RATE = 100


def train(
    output: Annotated[Path, typer.Option("--output", "-o", help="The model file to write.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Tick files (CSV, JSON lines, Parquet), merged by event time."),
    ] = None,
    topic: Annotated[
        bool, typer.Option("--topic", help="Instead of files: what the topic ticks holds now.")
    ] = False,
    synthetic: Annotated[
        int | None,
        typer.Option(min=1, help="Instead of files: so many made-up ticks of 8 instruments."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=NAME", help="The column that holds a field of the ticks."),
    ] = None,
    horizon: Annotated[int, typer.Option(help="Ticks to look ahead.")] = 20,
    move: Annotated[
        float,
        typer.Option(help="Smallest change to count as up or down, in those of an aimless walk."),
    ] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the training, and of made-up ticks.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train the direction model that ml_momentum and hybrid_ml_rsi_filter run on.

    The latest fifth of the samples is held out, and the model is judged by it against a baseline
    that knows only how frequent each direction was. The same ticks, options and library versions
    give the same file, byte for byte.
    """
    from algo_panda.ml.training import TrainingPlan, require_training_libraries
    from algo_panda.ml.training import train as learn

    plan = TrainingPlan(horizon=horizon, move=move, seed=seed)
    require_training_libraries()
    if not output.parent.is_dir():
        raise ConfigurationError(f"the folder of {output} does not exist")
    ticks = _ticks(files or [], topic=topic, synthetic=synthetic, columns=column or [], seed=seed)
    with _notices.status("reading and learning"):
        model = learn(ticks, plan)
    _write(output, model.onnx)
    if as_json:
        typer.echo(json.dumps(_facts(model, output)))
    else:
        _print_table(model)
    _notices.print(f"wrote {output}; strategies use it with the parameter model_path")


def _ticks(
    files: list[Path], *, topic: bool, synthetic: int | None, columns: list[str], seed: int
) -> Iterable[MarketTick]:
    if bool(files) + topic + (synthetic is not None) != 1:
        raise ConfigurationError("train from tick files, or --topic, or --synthetic: one of them")
    if topic:
        return _topic_ticks()
    if synthetic is not None:
        from algo_panda.ingest.synthetic import SyntheticSource

        return _good(
            SyntheticSource(
                instruments=_SYNTHETIC_INSTRUMENTS,
                ticks=synthetic,
                seed=seed,
                start=_SYNTHETIC_START,
                ticks_per_second=_SYNTHETIC_RATE,
            )
        )
    return _good(_file_rows(files, columns))


def _file_rows(files: list[Path], columns: list[str]) -> "Iterable[Row]":
    from algo_panda.ingest.columns import Columns
    from algo_panda.ingest.merging import in_event_order
    from algo_panda.ingest.opening import Reading, open_source

    reading = Reading(columns=Columns.parse(columns))
    return in_event_order([open_source(path, reading) for path in files])


def _good(rows: "Iterable[Row]") -> Iterator[MarketTick]:
    """The ticks of ``rows``; the first row that is none ends it.

    Raises:
        BadInputError: a row is no tick; the message says where.
    """
    from algo_panda.ingest.source import BadRow

    for row in rows:
        if isinstance(row, BadRow):
            raise BadInputError(str(row))
        yield row.tick


def _topic_ticks() -> Iterator[MarketTick]:
    from algo_panda.bootstrap.codecs import codecs_of
    from algo_panda.ingest.topic_ticks import TopicTicks
    from algo_panda.kafka.dev_broker import kafka_connection

    settings = load_settings()
    codecs = codecs_of(settings)
    source = TopicTicks(kafka_connection(settings), settings.topic("ticks"), codecs.ticks.decode)
    yield from source
    if source.undecodable:
        _notices.print(f"{source.undecodable} records of the topic are no ticks, and were left out")


def _write(path: Path, model: bytes) -> None:
    """Put the file in its place whole: a strategy that loads it meanwhile gets old or new.

    Raises:
        ConfigurationError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(model)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error


def _facts(model: "TrainedModel", path: Path) -> dict[str, Any]:
    about = {"path": str(path), "bytes": len(model.onnx), "sha256": model.digest}
    return {**about, **model.report.as_json()}


def _print_table(model: "TrainedModel") -> None:
    report = model.report
    table = Table.grid(padding=(0, 2))
    learned = _span(report.training_rows, report.training_start, report.training_end)
    table.add_row("learned from", learned)
    held_out = _span(report.held_out_rows, report.held_out_start, report.held_out_end)
    table.add_row("held out", held_out)
    accuracy = f"{report.held_out_accuracy:.4f}  (baseline {report.baseline_accuracy:.4f})"
    table.add_row("accuracy", accuracy)
    log_loss = f"{report.held_out_log_loss:.4f}  (baseline {report.baseline_log_loss:.4f})"
    table.add_row("log loss", log_loss)
    table.add_row("size", f"{len(model.onnx):,} bytes")
    table.add_row("sha256", model.digest)
    _data.print(table)


def _span(rows: int, start: datetime, end: datetime) -> str:
    first, last = (iso_utc(moment.replace(microsecond=0)) for moment in (start, end))
    return f"{rows:,} samples, {first} to {last}"
