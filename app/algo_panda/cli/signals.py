"""``panda signals``: what passes on the topics, as it comes."""

import json
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings

if TYPE_CHECKING:
    from confluent_kafka import Message

    from algo_panda.wire.codecs import Codec

app = typer.Typer(help="Signals, orders and what else is on the topics.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


class Topic(StrEnum):
    """The topics of records, as they are declared."""

    SIGNALS = "signals"
    ORDERS = "orders"
    EXECUTIONS = "executions"
    REJECTIONS = "rejections"
    TICKS = "ticks"
    ACTIVATIONS = "activations"
    CONTROL = "control"


@app.callback()
def signals() -> None:
    """Make the one command below a command of its own name."""


@app.command()
def tail(
    topic: Annotated[Topic, typer.Option(help="The topic to read.")] = Topic.SIGNALS,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per record.")
    ] = False,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Begin with the first record there is.")
    ] = False,
    until_end: Annotated[
        bool, typer.Option("--until-end", help="Stop where the topic ends now.")
    ] = False,
    strategy: Annotated[
        str | None, typer.Option(metavar="ID", help="Only this strategy: its id, or how it begins.")
    ] = None,
    instrument: Annotated[
        int | None, typer.Option(metavar="TOKEN", help="Only this instrument.")
    ] = None,
) -> None:
    """Print records as they come: in order within a partition, not between partitions.

    Belongs to no consumer group and commits nothing: it takes nothing away from any reader.
    """
    wanted = _filter(topic, strategy, instrument)
    from algo_panda.bootstrap.codecs import codecs_of
    from algo_panda.cli.signal_lines import line
    from algo_panda.wire.json_form import to_json

    settings = load_settings()
    codec: Codec[Any] = codecs_of(settings).by_topic[topic]
    messages = _messages(settings.topic(topic), from_beginning, until_end)
    if not (as_json or until_end):
        _notices.print(f"waiting for what comes on {topic}; Ctrl-C ends")
    shown = 0
    for record in _readable(messages, codec):
        if wanted(record):
            shown += 1
            typer.echo(json.dumps(to_json(record)) if as_json else line(record))
    if not (as_json or shown):
        _notices.print(f"nothing to show{'' if from_beginning else ': see --from-beginning'}")


def _filter(topic: Topic, strategy: str | None, instrument: int | None) -> Callable[[Any], bool]:
    if strategy is not None and topic in {Topic.TICKS, Topic.CONTROL}:
        raise ConfigurationError(f"--strategy: records on {topic} are of no strategy")
    if instrument is not None and topic in {Topic.ACTIVATIONS, Topic.CONTROL}:
        raise ConfigurationError(f"--instrument: records on {topic} are of no instrument")
    return lambda record: (
        (strategy is None or record.strategy_id.startswith(strategy))
        and (instrument is None or record.instrument_token == instrument)
    )


def _messages(topic: str, from_beginning: bool, until_end: bool) -> "Iterator[Message]":
    from algo_panda.kafka.admin import connect, end_offsets, start_offsets
    from algo_panda.kafka.dev_broker import kafka_connection
    from algo_panda.kafka.reading import Ends, records

    connection = kafka_connection(load_settings())
    admin = connect(connection)
    ends = end_offsets(admin, [topic])
    starts = start_offsets(admin, [topic]) if from_beginning else ends
    return records(connection, starts, Ends(ends) if until_end else None)


def _readable(messages: "Iterator[Message]", codec: "Codec[Any]") -> Iterator[Any]:
    from algo_panda.wire.errors import WireError

    for message in messages:
        try:
            yield codec.decode(message.value(), message.timestamp()[1])
        except WireError as error:
            _notices.print(f"{_place(message)} cannot be read: {error} ({error.code})")


def _place(message: "Message") -> str:
    return f"{message.topic()}[{message.partition()}] offset {message.offset()}"
