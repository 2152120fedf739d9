"""Wires ``panda replay --verify-live``: a period replayed as it ran, against the topics."""

import contextlib
import logging
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from confluent_kafka import Message

from algo_panda.bootstrap.arrival import arrival_policy
from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.bootstrap.strategies import build_factory
from algo_panda.domain.errors import BadInputError
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Activation
from algo_panda.kafka.admin import Partition, connect, end_offsets, start_offsets, topic_ids
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.groups import committed_offsets
from algo_panda.kafka.reading import Ends, records
from algo_panda.replay.live_pass import LivePass
from algo_panda.replay.live_versions import Segment, gaps, segments
from algo_panda.replay.selection import Selection
from algo_panda.replay.ticks import RecordedTicks, Refuse
from algo_panda.replay.verification import LiveSignal, PartitionVerdict, Verifier
from algo_panda.runner.runner import StrategyRunner
from algo_panda.settings import Settings
from algo_panda.wire.codecs import Codecs
from algo_panda.wire.errors import WireError

logger = logging.getLogger(__name__)

V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTopics:
    """What the live system left behind, as far as it is needed."""

    activations: Sequence[Activation]
    signals: dict[int, dict[str, LiveSignal]]
    """By partition of the tick, and signal id; redelivered ones removed."""
    ends: dict[int, int]
    """By partition of ``ticks``: up to where the runner's work is durable."""
    kept_from: dict[int, int]
    """By partition of ``ticks``: from which offset on all signals are still on the topic.

    It is taken from the first signal left. Where retention removed all before one that a worker
    sent late, after its partition had gone to another, it is too low, and what is gone looks as
    if it had never been said.
    """


def verify_live(
    settings: Settings,
    source: RecordedTicks,
    selection: Selection,
    *,
    on_progress: Callable[[int], None] = lambda _ticks: None,
    refuse: Refuse = lambda _record: None,
) -> Sequence[PartitionVerdict]:
    """Replay ``source`` with the versions that ran, and compare with what is on ``signals``.

    Args:
        settings: of this process.
        source: the ticks, all that there are: those before the selection warm up.
        selection: which ticks to compare.
        on_progress: told how many ticks were processed since it was told last.
        refuse: told of records that are no ticks.

    Raises:
        KafkaError: the topics cannot be read.
        BadInputError: there is nothing live that could be compared with.
    """
    codecs = codecs_of(settings)
    _see_that_it_is_the_live_topic(settings, source)
    live = _live_topics(settings, codecs, source.topic_id)

    def stretches_of(partition: int) -> Sequence[Segment]:
        return segments(live.activations, topic_id=source.topic_id, partition=partition)

    if not any(map(stretches_of, source.partitions)):
        raise BadInputError(
            f"nothing to compare {source.name} with: no record of the topic 'activations' is about"
            " its ticks, so no strategy was active on them"
        )
    with _runners(settings) as runner_of:

        def new_pass(partition: int) -> LivePass:
            return LivePass(source, partition, stretches_of(partition), runner_of, refuse)

        verifier = Verifier(
            source=source,
            selection=selection,
            ends=live.ends,
            kept_from=live.kept_from,
            signals=codecs.signals,
            segments=stretches_of,
            new_pass=new_pass,
            on_progress=on_progress,
        )
        verdicts = [
            verifier.verify(partition, live.signals.get(partition, {}))
            for partition in source.partitions
        ]
    for verdict in verdicts:
        verdict.gaps = gaps(live.activations, topic_id=source.topic_id, partition=verdict.partition)
    if not any(verdict.ticks for verdict in verdicts):
        raise BadInputError(
            f"nothing to compare: the runner has processed none of the selected ticks of"
            f" {source.name}, or its committed offsets, or the signals, are no longer retained"
        )
    return verdicts


def _see_that_it_is_the_live_topic(settings: Settings, source: RecordedTicks) -> None:
    topic = settings.topic("ticks")
    live_id = topic_ids(connect(kafka_connection(settings)), [topic])[topic]
    if live_id != source.topic_id:
        raise BadInputError(
            f"{source.name} was recorded from a topic with id {source.topic_id}, and {topic} on the"
            f" broker has id {live_id}: it has no signals of these ticks to compare with"
        )


@contextlib.contextmanager
def _runners(settings: Settings) -> Generator[Callable[[Segment], StrategyRunner]]:
    """Makes runners, one for the same versions, and stops them in the end."""
    factory = build_factory(settings)
    made: dict[tuple[object, ...], StrategyRunner] = {}

    def runner_of(segment: Segment) -> StrategyRunner:
        key = tuple((one.id, one.version, one.digest, one.instruments) for one in segment.configs)
        found = made.get(key)
        if found is None:
            found = made[key] = StrategyRunner(
                configs=segment.configs,
                factory=factory,
                quarantine_after=settings.quarantine_after,
                arrival=arrival_policy(settings),
            )
            for disabled in found.start().disabled:
                raise BadInputError(
                    f"strategy {disabled.config.id}, version {disabled.config.version}, ran live"
                    f" and cannot be run here: {disabled.reason}"
                )
        return found

    try:
        yield runner_of
    finally:
        for runner in made.values():
            runner.stop()


def _live_topics(settings: Settings, codecs: Codecs, topic_id: str) -> LiveTopics:
    connection = kafka_connection(settings)
    ticks, group = settings.topic("ticks"), f"{settings.topic_prefix}panda-runner"
    # Asked first: what is durable by now has its signals on the topic when that is read.
    committed = committed_offsets(connection, group, [ticks])
    ends = {partition: offset for (_, partition), offset in committed.items()}
    signals: dict[int, dict[str, LiveSignal]] = {}
    first: dict[int, TradingSignal] = {}
    """The first one left, by partition of the topic."""
    topic = settings.topic("signals")
    for message, signal in decoded(_records(connection, topic), codecs.signals.decode):
        value, partition = message.value() or b"", message.partition() or 0
        first.setdefault(partition, signal)
        if signal.tick_topic_id == topic_id:
            of_partition = signals.setdefault(signal.tick_partition, {})
            known = of_partition.setdefault(signal.signal_id, LiveSignal(signal, value))
            if known.value != value:
                of_partition[signal.signal_id] = known._replace(is_contradicted=True)
    return LiveTopics(
        activations=[
            activation
            for _, activation in decoded(
                _records(connection, settings.topic("activations")), codecs.activations.decode
            )
        ],
        signals=signals,
        ends=ends,
        kept_from={
            # Asked for last: what was removed while they were read is missed, too.
            number: _kept_from(first[number], number, topic_id) if number in first else ends[number]
            for (_, number), start in _starts(connection, topic).items()
            if start and number in ends
        },
    )


def decoded(
    messages: Iterable[Message], decode: Callable[[bytes | None, int], V]
) -> Generator[tuple[Message, V]]:
    """Decode records; name and skip an unusable one, which the runner did not write."""
    for message in messages:
        try:
            value = decode(message.value(), message.timestamp()[1])
        except WireError as problem:
            logger.warning(
                "%s[%s] offset %s cannot be read and is not compared: %s",
                message.topic(),
                message.partition(),
                message.offset(),
                problem,
            )
        else:
            yield message, value


def _kept_from(first: TradingSignal, partition: int, topic_id: str) -> int:
    """The first tick of which all signals are on the topic, by the first record there is."""
    if first.tick_topic_id != topic_id:  # those of this one came later
        return 0
    if first.tick_partition != partition:
        raise BadInputError(
            f"retention has removed signals, and which ones cannot be determined: a signal of a"
            f" tick in partition {first.tick_partition} is in partition {partition}"
        )
    return first.tick_offset + 1  # and this may not be all that its tick led to


def _starts(connection: KafkaConnection, topic: str) -> Mapping[Partition, int]:
    return start_offsets(connect(connection), [topic])


def _records(connection: KafkaConnection, topic: str) -> Generator[Message]:
    """The records of a topic up to now."""
    ends = end_offsets(connect(connection), [topic])
    return records(connection, _starts(connection, topic), Ends(ends))
