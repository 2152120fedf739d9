"""Faults of what comes in: ticks, records that are none, dead letters, trading states.

Each is one storm's fault among others. Its docstring states what has to happen; afterwards the
verdict has to be 0 differences.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from confluent_kafka import Producer

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.admin import connect, end_offsets
from algo_panda.kafka.clients import producer_config
from tests.chaos.storm import Storm
from tests.chaos.system import ACCOUNTS, NO_RECORD
from tests.oracle.ids import partition_of

_BURST = 5
"""By how much more ticks come in a burst."""


def repeat_ticks(storm: Storm) -> None:
    """Publish ticks again, as they were and with earlier event times.

    The runner processes or drops them, as it is set. A drop reaches no strategy.
    """
    again = _some_ticks(storm, 60)
    minutes = [timedelta(minutes=storm.random.randint(0, 90)) for _ in again]
    old = [
        tick._replace(event_time_us=tick.event_time_us - int(back.total_seconds() * 1_000_000))
        for tick, back in zip(again, minutes, strict=True)
    ]
    _publish(storm, [(tick, None) for tick in [*again, *again[:20], *old]])


def misplace_ticks(storm: Storm) -> None:
    """Publish ticks into partitions that are not those of their keys.

    By default, each is a dead letter with code MISPLACED_KEY. If they are processed, each strategy
    has a state per partition, and the paper venue rejects the orders.
    """
    partitions = storm.system.partitions["ticks"]
    placed: list[tuple[MarketTick, int | None]] = []
    for tick in _some_ticks(storm, 80):
        home = partition_of(b"%d" % tick.instrument_token, partitions)
        placed.append((tick, (home + storm.random.randrange(1, partitions)) % partitions))
    _publish(storm, placed)


def send_dead_letters(storm: Storm) -> None:
    """Send records that nobody can use to every input, and replay dead letters in the storm.

    Each has one dead letter, and so has each that is replayed and cannot be used then either.
    Misplaced ticks are put into their own partition by the replay, and processed. A letter that
    is replayed twice is two records.
    """
    system = storm.system
    letters = _letters(storm)
    misplace_ticks(storm)
    producer = Producer({**producer_config(system.connection)})
    for tick in _some_ticks(storm, 10):
        key = b"%d" % tick.instrument_token
        for topic in ("signals", "paper-orders", "executions", "ticks"):
            producer.produce(system.settings.topic(topic), NO_RECORD, key)
        for account in ACCOUNTS.values():
            producer.produce(system.settings.topic("orders"), NO_RECORD, account)
    assert producer.flush(120) == 0
    storm.wait_briefly(lambda: _letters(storm) >= letters + 60)
    storm.panda("dlq", "replay", "--yes")
    shown = [json.loads(line) for line in storm.panda("dlq", "show", "--json").splitlines()]
    chosen = storm.random.choice([one for one in shown if one["code"] is not None])
    topic = chosen["source_topic"].removeprefix(system.settings.topic_prefix)
    place = ("--partition", str(chosen["partition"]), "--offset", str(chosen["offset"]))
    for _ in range(2):
        storm.panda("dlq", "replay", "--topic", topic, *place, "--again", "--yes")


def change_trading_states(storm: Storm) -> None:
    """Halt, reduce and resume accounts, one by one and all, while ticks come five times as fast.

    Refused orders have code TRADING_HALTED, and nothing else is lost. No open paper order of a
    halted account is filled. In the end every account trades again.
    """
    steps = [
        (verb, account)
        for verb in ("halt", "reduce", "resume")
        for account in ("*", *ACCOUNTS.values())
    ]
    storm.random.shuffle(steps)
    # No storm without a halt: which fills it holds up is the hardest to get right.
    steps.insert(1, ("halt", "*"))
    with _burst(storm):
        for verb, account in steps[:4]:
            _set_trading_state(storm, verb, account)
        for account in sorted({account for verb, account in steps[:4] if verb != "resume"}):
            _set_trading_state(storm, "resume", account)


def _set_trading_state(storm: Storm, verb: str, account: str) -> None:
    """Have risk read the event, and ticks come afterwards."""

    def events() -> int:
        log = storm.worker("risk-1").log.read_text("utf-8", "replace")
        return log.count('"event": "account ')

    before = events()
    storm.panda("control", verb, "--account", account)
    storm.wait_briefly(lambda: events() > before)
    storm.stream.most = max(storm.stream.most, storm.stream.published + 300)


@contextmanager
def _burst(storm: Storm) -> Iterator[None]:
    storm.stream.rate *= _BURST
    try:
        yield
    finally:
        storm.stream.rate /= _BURST


def _some_ticks(storm: Storm, count: int) -> list[MarketTick]:
    """Some of the ticks published last, in their order."""
    recent = list(storm.stream.recent)
    chosen = sorted(storm.random.sample(range(len(recent)), min(count, len(recent))))
    return [recent[at] for at in chosen]


def _publish(storm: Storm, ticks: Iterable[tuple[MarketTick, int | None]]) -> None:
    """Publish ticks, some into a partition of their own choice."""
    system = storm.system
    producer, topic = (
        Producer({**producer_config(system.connection)}),
        system.settings.topic("ticks"),
    )
    for tick, partition in ticks:
        where = {} if partition is None else {"partition": partition}
        value, key = system.codecs.ticks.encode(tick), b"%d" % tick.instrument_token
        producer.produce(topic, value, key, **where)
    assert producer.flush(120) == 0


def _letters(storm: Storm) -> int:
    """How many dead letters there are, or markers of transactions behind them."""
    names = ("ticks", "signals", "orders", "paper-orders", "executions")
    topics = [storm.system.settings.topic(f"{name}.dlq") for name in names]
    return sum(end_offsets(connect(storm.system.connection), topics).values())


INPUT_FAULTS: Sequence[Callable[[Storm], None]] = (
    repeat_ticks,
    misplace_ticks,
    send_dead_letters,
    change_trading_states,
)
