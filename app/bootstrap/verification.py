"""Wires ``panda replay --verify-live``: a period replayed as it ran, against the topics."""

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from app.bootstrap.runner import arrival_policy
from app.bootstrap.strategies import build_factory
from app.domain.trading import Activation
from app.kafka.admin import connect, end_offsets, start_offsets
from app.kafka.dev_broker import resolve_bootstrap_servers
from app.kafka.groups import committed_offsets
from app.kafka.reading import Ends, records
from app.replay.live_pass import LivePass
from app.replay.live_versions import Segment, segments
from app.replay.selection import Selection
from app.replay.ticks import RecordedTicks, Refuse
from app.replay.verification import LiveSignal, PartitionVerdict, Verifier
from app.runner.runner import StrategyRunner
from app.settings import Settings
from app.wire.codecs import Codecs, load_codecs


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTopics:
    """What the live system left behind, as far as it is needed."""

    activations: Sequence[Activation]
    signals: dict[int, dict[str, LiveSignal]]
    """By partition of the tick, and signal id; redelivered ones removed."""
    ends: dict[int, int]
    """By partition of ``ticks``: up to where the runner's work is durable."""


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
        UnknownVersionError: it is not on record what ran.
    """
    codecs = load_codecs(
        registry_url=settings.schema_registry_url, topic_prefix=settings.topic_prefix
    )
    live = _live_topics(settings, codecs, source.topic_id)
    with _runners(settings) as runner_of:

        def new_pass(partition: int) -> LivePass:
            stretches = segments(live.activations, topic_id=source.topic_id, partition=partition)
            return LivePass(source, partition, stretches, runner_of, refuse)

        verifier = Verifier(
            source=source,
            selection=selection,
            ends=live.ends,
            signals=codecs.signals,
            new_pass=new_pass,
            on_progress=on_progress,
        )
        return [
            verifier.verify(partition, live.signals.get(partition, {}))
            for partition in source.partitions
        ]


@contextlib.contextmanager
def _runners(settings: Settings) -> Generator[Callable[[Segment], StrategyRunner]]:
    """Makes runners, one for the same versions, and stops them in the end."""
    factory = build_factory(settings)
    made: dict[tuple[object, ...], StrategyRunner] = {}

    def runner_of(segment: Segment) -> StrategyRunner:
        key = tuple((config.id, config.version, config.instruments) for config in segment.configs)
        found = made.get(key)
        if found is None:
            found = made[key] = StrategyRunner(
                configs=segment.configs,
                factory=factory,
                quarantine_after=settings.quarantine_after,
                arrival=arrival_policy(settings),
            )
            found.start()
        return found

    try:
        yield runner_of
    finally:
        for runner in made.values():
            runner.stop()


def _live_topics(settings: Settings, codecs: Codecs, topic_id: str) -> LiveTopics:
    servers = resolve_bootstrap_servers(settings)
    ticks, group = settings.topic("ticks"), f"{settings.topic_prefix}panda-runner"
    # Asked first: what is durable by now has its signals on the topic when that is read.
    committed = committed_offsets(servers, group, [ticks])
    signals: dict[int, dict[str, LiveSignal]] = {}
    for value, timestamp in _values(servers, settings.topic("signals")):
        signal = codecs.signals.decode(value, timestamp)
        if signal.tick_topic_id == topic_id:
            of_partition = signals.setdefault(signal.tick_partition, {})
            of_partition.setdefault(signal.signal_id, LiveSignal(signal, value))
    return LiveTopics(
        activations=[
            codecs.activations.decode(value, timestamp)
            for value, timestamp in _values(servers, settings.topic("activations"))
        ],
        signals=signals,
        ends={partition: offset for (_, partition), offset in committed.items()},
    )


def _values(servers: str, topic: str) -> Generator[tuple[bytes, int]]:
    """The values of a topic up to now, with their time stamps."""
    admin = connect(servers)
    starts, ends = start_offsets(admin, [topic]), end_offsets(admin, [topic])
    for message in records(servers, starts, Ends(ends)):
        yield message.value() or b"", message.timestamp()[1]
