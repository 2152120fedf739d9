"""Faults that end in a stop: workers end with a clear error, and instructions that help.

Each is a scenario of its own. It takes a storm that has begun, follows the instructions, and
checks that all stages work again.
"""

import signal
from collections.abc import Callable, Sequence

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.admin import connect, delete_topics, end_offsets, start_offsets, topic_ids
from algo_panda.kafka.groups import committed_offsets
from algo_panda.streaming.operator import Output
from algo_panda.wire.dead_letter import OFFSET, PARTITION
from tests.chaos.storm import WORKERS, Storm
from tests.chaos.uninterrupted import UninterruptedPass
from tests.oracle.ids import partition_of

RUNNERS = tuple(name for name in WORKERS if name.startswith("runner"))


def add_a_partition(storm: Storm) -> None:
    """Add a partition to ``ticks`` while all workers run.

    Keys would move away from their state. So the workers that read ``ticks`` end with exit code 4
    within seconds, and do not start again: the message says how many partitions are declared. Risk
    and router go on.

    The instructions: delete the topic and the states that are about it, and apply the
    declarations. Then all work again, with the new topic.
    """
    system = storm.system
    ticks, count = system.settings.topic("ticks"), system.partitions["ticks"]
    admin = AdminClient({"bootstrap.servers": system.bootstrap_servers})
    for answer in admin.create_partitions([NewPartitions(ticks, count + 1)]).values():
        answer.result(30)
    parts = f"{ticks} has {count + 1} partitions, declared {count}", "panda topics apply"
    for name in (*RUNNERS, "paper-1"):
        storm.expect_end(name, 4, *parts)
    storm.stream.stop()
    for program in ("runner", "paper"):
        storm.expect_stop(system.spawn(program), 4, *parts)
    for name in ("risk-1", "router-1"):
        assert storm.worker(name).process.poll() is None, system.told(storm.worker(name))

    refused = system.panda("topics", "apply", env=system.variables)
    assert refused.returncode == 4, refused.stderr
    assert f"delete {ticks} and the changelogs" in " ".join(refused.stderr.split()), refused.stderr
    _recreate(storm, "ticks")
    changelog = system.settings.topic("runner-state-changelog")
    storm.expect_stop(system.spawn("runner"), 4, "deleted and created anew", changelog, "apply")
    _recreate(storm, "runner-state-changelog", "paper-state-changelog")
    storm.heal()
    published = [*storm.stream.recent]
    system.publish(published)
    topic_id = topic_ids(connect(system.connection), [ticks])[ticks]

    def answered() -> bool:
        signals = {
            s.signal_id
            for s in system.usable("signals")
            if s.tick_topic_id == topic_id and s.signal_type != "HOLD" and s.brokers
        }
        answers = [*system.usable("orders"), *system.usable("rejections")]
        return bool(signals) and signals <= {one.signal_id for one in answers}

    system.until("answers to the signals of the new topic", answered)


def let_retention_overtake(storm: Storm) -> None:
    """Delete ticks that no runner has processed yet, as retention does after a long stop.

    A runner that would have to skip them ends with exit code 4 instead: the message says what was
    lost, and how to go on without. It does so each time it is started.

    The instructions: stop all runners, delete their changelog, apply the declarations. Their state
    begins anew with the ticks that are left, and the signals are those of an uninterrupted run over
    them.
    """
    system = storm.system
    admin, ticks = connect(system.connection), system.settings.topic("ticks")
    for name in RUNNERS:
        storm.end(name, signal.SIGTERM)
    group = f"{system.settings.topic_prefix}panda-runner"
    processed = committed_offsets(system.connection, group, [ticks])
    key = b"%d" % storm.stream.recent[-1].instrument_token
    number = partition_of(key, system.partitions["ticks"])
    first = processed[ticks, number] + 200
    system.until("more ticks", lambda: end_offsets(admin, [ticks])[ticks, number] > first + 200)
    storm.stream.stop()
    for answer in admin.delete_records([TopicPartition(ticks, number, first)]).values():
        answer.result(30)
    changelog = system.settings.topic("runner-state-changelog")
    parts = f"{ticks}[{number}]", "no longer retained", changelog, "panda topics apply"
    for _ in range(2):
        storm.expect_stop(system.spawn("runner"), 4, *parts)
    _recreate(storm, "runner-state-changelog")
    storm.heal()
    storm.come_to_rest()

    assert start_offsets(admin, [ticks])[ticks, number] == first
    found = frozenset(system.runner_outputs())
    expected = system.expected(UninterruptedPass(system.settings), system.raw_ticks()).outputs
    missing = expected - found
    assert not missing, f"{len(missing)} are missing, such as {next(iter(missing))}"
    unexpected = [
        output
        for output in found - expected
        if not (_tick_of(storm, output)[0] == number and _tick_of(storm, output)[1] < first)
    ]
    assert not unexpected, f"{len(unexpected)} are unexpected, such as {unexpected[0]}"


def _tick_of(storm: Storm, output: Output) -> tuple[int, int]:
    """The partition and the offset of the tick that an output of the runner is about."""
    codecs, headers = storm.system.codecs, dict(output.headers)
    if OFFSET in headers:
        return int(headers[PARTITION] or b""), int(headers[OFFSET] or b"")
    is_signal = output.topic == storm.system.settings.topic("signals")
    one = (codecs.signals if is_signal else codecs.rejections).decode(output.value)
    return one.tick_partition, one.tick_offset


def _recreate(storm: Storm, *names: str) -> None:
    """Delete topics, and have them made as declared."""
    system, admin = storm.system, connect(storm.system.connection)
    topics = [system.settings.topic(name) for name in names]
    before = topic_ids(admin, topics)
    delete_topics(admin, topics)

    def are_there_anew() -> bool:
        if system.panda("topics", "apply", env=system.variables).returncode != 0:
            return False
        try:
            now = topic_ids(admin, topics)
        except KafkaError:
            return False  # for a moment the broker may show the old topics, or none
        return all(now[topic] != before[topic] for topic in topics)

    system.until("topics created anew", are_there_anew)


STOPS: Sequence[Callable[[Storm], None]] = (add_a_partition, let_retention_overtake)
