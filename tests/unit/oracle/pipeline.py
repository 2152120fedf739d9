"""Risk, router and paper venue without a broker: topics in memory, crashes on demand.

Outputs, state and positions of a partition are committed together, as the engine does. A crash
discards what was processed since the last commit.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, NamedTuple

from algo_panda.brokers.paper.broker import PaperBroker
from algo_panda.brokers.paper.fees import FeeSchedule
from algo_panda.brokers.paper.fills import FillModel
from algo_panda.brokers.paper.venue import PaperVenue
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.execution.router import OrderRouter
from algo_panda.risk.checks import RiskLimits
from algo_panda.risk.engine import RiskEngine
from algo_panda.streaming.control import PinnedStates, TradingStates
from algo_panda.streaming.operator import Message, Output, PartitionOperator, Start
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.paper import PaperOperator
from algo_panda.streaming.operators.ports import SilentStageTelemetry
from algo_panda.streaming.operators.risk import RiskOperator
from algo_panda.streaming.operators.router import RouterOperator
from algo_panda.streaming.state_codec import PaperStateCodec, RiskStateCodec, RouterStateCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.oracle.ids import partition_of, signal_id
from tests.oracle.money import TOPICS
from tests.oracle.records import Raw
from tests.oracle.rules import INPUTS, Rules
from tests.unit.oracle.drafts import TOPIC_ID, WRITTEN_MS, activation, at, encode

PARTITIONS = 2
TOKENS = (1001, 1002, 1003)
STRATEGIES = {"00000000-0000-0000-0000-000000000001": None, "00000000-0000-0000-0000-2": 3}
"""With their own ``max_position_size``."""
RULES = Rules(
    partitions={topic: 1 if topic.endswith(".dlq") else PARTITIONS for topic in TOPICS},
    max_position=5,
    max_quantity=4,
    past_brokers=frozenset({"paper", "zerodha"}),
)
ACTIONS = (
    *("trade",) * 4,
    *("process",) * 6,
    *("commit",) * 2,
    *("crash",) * 2,
    *("repeat",) * 2,
    "control",
)
INPUTS_OF_ALL = ("signals", "orders", "paper-orders", "executions")
TTL = TimeToLive(seconds=60, past_brokers=("paper", "zerodha"))
CHECKPOINT = b"\x00checkpoint"
CODECS = load_codecs()
CATALOGUE = load_catalogue()


class Given(NamedTuple):
    """A raw record as the client library gives it."""

    name: str
    raw: Raw

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return self.raw.partition

    def offset(self) -> int:
        return self.raw.offset

    def key(self) -> bytes | None:
        return self.raw.key

    def value(self) -> bytes | None:
        return self.raw.value

    def timestamp(self) -> tuple[int, int]:
        return 1, self.raw.timestamp_ms

    def headers(self) -> Any:
        return list(self.raw.headers)


class Broker:
    """Topics in memory, and a clock that moves on with everything that happens."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, int], list[Given]] = {}
        self.now_ms = WRITTEN_MS

    def now_us(self) -> int:
        self.now_ms += 1
        return self.now_ms * 1_000

    def append(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes | None]] = (),
        written_ms: int | None = None,
    ) -> None:
        if partition is None:
            partition = partition_of(key or b"", RULES.partitions[topic])
        records = self._records.setdefault((topic, partition), [])
        written_ms = self.now_ms if written_ms is None else written_ms
        raw = Raw(partition, len(records), written_ms, key, value, tuple(headers))
        records.append(Given(topic, raw))

    def read(self, topic: str, partition: int, first: int = 0) -> list[Given]:
        return self._records.get((topic, partition), [])[first:]

    def topics(self) -> dict[str, list[Raw]]:
        """Return all records, by topic, partition and offset."""
        return {
            name: [given.raw for n in range(PARTITIONS) for given in self.read(name, n)]
            for name in TOPICS
        }


@dataclass
class Worker:
    """A program at work on one partition."""

    program: str
    partition: int
    broker: Broker
    make: Callable[[int, Broker, PinnedStates], PartitionOperator]
    positions: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[int, Output]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin at the last commit; what was processed since is discarded."""
        self.pending = []
        self.positions = dict.fromkeys(INPUTS[self.program], 0)
        state: dict[bytes, bytes] = {}
        for record in self.broker.read(f"{self.program}-state-changelog", self.partition):
            key, value = record.key() or b"", record.value()
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        if CHECKPOINT in state:
            topics = json.loads(state.pop(CHECKPOINT))["topics"]
            self.positions = {topic: entry["next_offset"] for topic, entry in topics.items()}
        self.states = TradingStates()
        self.control = 0
        self.read_control()
        self.operator = self.make(self.partition, self.broker, PinnedStates(self.states))
        self.operator.restore(state, Start(offsets=self.positions, is_settled=True))

    def read_control(self) -> None:
        """Take the trading states of now."""
        for message in self.broker.read("control", 0, self.control):
            event = CODECS.control.decode(message.value())
            self.states.apply(event, message.offset())
            self.control = message.offset() + 1

    def process(self, topic: str, most: int) -> int:
        """Process up to so many records; return how many there were."""
        messages = self.broker.read(topic, self.partition, self.positions[topic])[:most]
        if messages:
            given: Sequence[Message] = messages
            outputs = self.operator.process(topic, given)
            self.broker.now_ms += 1
            self.pending += [(self.broker.now_ms, output) for output in outputs]
            self.positions[topic] += len(messages)
        return len(messages)

    def commit(self) -> None:
        for written_ms, (topic, key, value, headers) in self.pending:
            self.broker.append(topic, key, value, headers=headers, written_ms=written_ms)
        self.pending = []
        changelog = f"{self.program}-state-changelog"
        topics = {t: {"id": "", "next_offset": n, "horizon": n} for t, n in self.positions.items()}
        text = json.dumps({"topics": topics}).encode()
        for key, value in (*self.operator.changed(), (CHECKPOINT, text)):
            self.broker.append(changelog, key, value, partition=self.partition)


class Pipeline:
    """All workers, and a market whose every tick causes signals."""

    def __init__(
        self,
        seed: int,
        repeated: Sequence[str],
        model: FillModel | None = None,
        fees: FeeSchedule | None = None,
    ) -> None:
        """Start without ticks.

        Args:
            seed: of everything that happens.
            repeated: topics that records are sent to again.
            model: how paper orders are filled; None: by default.
            fees: what fills cost.
        """
        paper = partial(_paper, model=model or FillModel(), fees=fees)
        self.random = Random(seed)
        self.repeated = repeated
        self.broker = Broker()
        self.workers = [
            Worker(program, partition, self.broker, make)
            for program, make in (("risk", _risk), ("router", _router), ("paper", paper))
            for partition in range(PARTITIONS)
        ]
        self.tick = 0
        for strategy, own in STRATEGIES.items():
            given = {} if own is None else {"max_position_size": own}
            fields = {**activation(**given), "strategy_id": strategy}
            self.broker.append("activations", strategy.encode(), encode("activations", fields))

    def storm(self, actions: int, *, pauses: bool = False) -> None:
        """Do so many things at random.

        Args:
            actions: how many.
            pauses: whether the paper venue is away now and then, for up to half an hour.
        """
        for _ in range(actions):
            if pauses and self.random.random() < 0.01:
                self.pause()
            worker = self.random.choice(self.workers)
            match self.random.choice(ACTIONS):
                case "trade":
                    self.trade()
                case "repeat":
                    self.repeat()
                case "process":
                    topic = self.random.choice(INPUTS[worker.program])
                    if self.random.random() < 0.7:  # else it learns of changes later
                        worker.read_control()
                    worker.process(topic, self.random.randint(1, 5))
                case "control":
                    self.control()
                case "commit":
                    worker.commit()
                case "crash":
                    worker.open()

    def pause(self) -> None:
        """Let minutes pass in which orders wait for the paper venue, and no tick comes."""
        for worker in self.workers:
            if worker.program != "paper":
                for topic in INPUTS[worker.program]:
                    while worker.process(topic, 100):
                        pass
                worker.commit()
        self.broker.now_ms += self.random.randint(1, 30) * 60_000

    def control(self) -> None:
        """Change the trading state of an account, or of all."""
        self.broker.now_ms += 1
        account = self.random.choice(["*", "paper", "zerodha"])
        self._control(account, self.random.choice(["ACTIVE", "ACTIVE", "REDUCING", "HALTED"]))

    def _control(self, account: str, state: str) -> None:
        fields = {"account": account, "state": state, "reason": "", "issued_by": "test"}
        value = encode("control", {**fields, "issued_at": at(self.tick)})
        self.broker.append("control", account.encode(), value, partition=0)

    def settle(self) -> None:
        """Let everybody trade, process all there is, and commit it; then once more, later on.

        At the second time no worker can be without the last trading states, so that each order
        has a tick that fills or ends it.
        """
        for account in ("*", "paper", "zerodha"):
            self._control(account, "ACTIVE")
        for worker in self.workers:
            worker.read_control()
        self._process_all()
        self.broker.now_ms += RULES.longest_way_ms + 10_000
        for _ in range(20):
            self.trade()
        self._process_all()

    def _process_all(self) -> None:
        busy = True
        while busy:
            busy = False
            for worker in self.workers:
                for topic in INPUTS[worker.program]:
                    busy = worker.process(topic, 100) > 0 or busy
                worker.commit()

    def repeat(self) -> None:
        """Send a record again, or one that is none."""
        topic = self.random.choice(INPUTS_OF_ALL)
        records = self.broker.read(topic, self.random.randrange(PARTITIONS))
        if records:
            raw = self.random.choice(records).raw
            is_again = topic in self.repeated and self.random.random() < 0.8
            self.broker.append(topic, raw.key, raw.value if is_again else b"no record")

    def trade(self) -> None:
        """Publish a tick of one instrument, and signals of some strategies."""
        token = self.random.choice(TOKENS)
        key = b"%d" % token
        partition = partition_of(key, PARTITIONS)
        offset = len(self.broker.read("ticks", partition))
        # At times the trade before is there again.
        self.tick += self.random.random() < 0.8
        fields = {
            "instrument_token": token,
            "event_time": at(self.tick),
            "last_price": Decimal(100 + self.tick % 7),
            "last_traded_quantity": self.tick % 9,
            "volume_traded": 0,
        }
        self.broker.now_ms += 1
        self.broker.append("ticks", key, encode("ticks", fields))
        for strategy in STRATEGIES:
            kind = self.random.choice(["BUY", "SELL", "HOLD"])
            quantity = 0 if kind == "HOLD" else self.random.randint(1, 5)
            brokers = self.random.choice([[], ["paper"], ["paper"], ["paper", "zerodha"]])
            signal = {
                **{name: fields[name] for name in ("instrument_token", "event_time")},
                "strategy_id": strategy,
                "strategy_type": "rules_rsi",
                "strategy_version": 1,
                "model_digest": None,
                "brokers": brokers,
                "tick_topic_id": TOPIC_ID,
                "tick_partition": partition,
                "tick_offset": offset,
                "signal_id": signal_id(strategy, token, TOPIC_ID, partition, offset),
                "signal_type": kind,
                "confidence": 0.9,
                "quantity": quantity,
                "price": fields["last_price"],
                "reasoning": None,
                "tick_price": fields["last_price"],
            }
            self.broker.append("signals", key, encode("signals", signal))


def _letters(topics: Iterable[str]) -> DeadLetterWriter:
    return DeadLetterWriter(
        topics={topic: f"{topic}.dlq" for topic in topics},
        telemetry=SilentStageTelemetry(),
        app_version="test",
    )


def _risk(_partition: int, broker: Broker, pinned: PinnedStates) -> PartitionOperator:
    limits = RiskLimits(
        max_quantity=RULES.max_quantity,
        max_notional=RULES.max_notional,
        max_position=RULES.max_position,
        time_to_live=TTL,
    )
    return RiskOperator(
        engine=RiskEngine(
            limits=limits,
            account_for=RULES.account,
            trading_state=pinned.of,
            strategy_limit=lambda strategy, _version: STRATEGIES[strategy],
        ),
        signals=CODECS.signals,
        executions=CODECS.executions,
        orders=CODECS.orders,
        rejections=CODECS.rejections,
        states=RiskStateCodec(CATALOGUE),
        limits_version=limits.version,
        signals_topic="signals",
        executions_topic="executions",
        orders_topic="orders",
        rejections_topic="rejections",
        dead_letters=_letters(INPUTS["risk"]),
        telemetry=SilentStageTelemetry(),
        pin_trading_states=pinned.pin,
        now_us=broker.now_us,
    )


def _router(_partition: int, broker: Broker, pinned: PinnedStates) -> PartitionOperator:
    return RouterOperator(
        router=OrderRouter(
            brokers={"paper": PaperBroker()}, trading_state=pinned.of, time_to_live=TTL
        ),
        orders=CODECS.orders,
        paper_orders=CODECS.paper_orders,
        executions=CODECS.executions,
        rejections=CODECS.rejections,
        states=RouterStateCodec(CATALOGUE),
        paper_orders_topic="paper-orders",
        executions_topic="executions",
        rejections_topic="rejections",
        dead_letters=_letters(INPUTS["router"]),
        telemetry=SilentStageTelemetry(),
        pin_trading_states=pinned.pin,
        now_us=broker.now_us,
    )


def _paper(
    partition: int,
    broker: Broker,
    pinned: PinnedStates,
    *,
    model: FillModel,
    fees: FeeSchedule | None,
) -> PartitionOperator:
    def reread(first: int, end: int) -> Iterable[Sequence[Message]]:
        batch: Sequence[Message] = broker.read("ticks", partition, first)[: end - first]
        return [batch]

    return PaperOperator(
        partition=partition,
        topic_id=TOPIC_ID,
        venue=PaperVenue(topic_id=TOPIC_ID, model=model, fees=fees, trading_state=pinned.of),
        ticks=CODECS.ticks,
        orders=CODECS.paper_orders,
        executions=CODECS.executions,
        states=PaperStateCodec(CATALOGUE, CODECS.paper_orders),
        ticks_topic="ticks",
        executions_topic="executions",
        dead_letters=_letters(INPUTS["paper"]),
        telemetry=SilentStageTelemetry(),
        reread=reread,
        pin_trading_states=pinned.pin,
        now_us=broker.now_us,
        ticks_kept=4,
    )
