"""The whole system with worker processes that come and go, and everything that it left behind."""

import json
import re
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from confluent_kafka import Message, Producer

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import ExecutionReport, Order, Stage, TradingState
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.open_transactions import wait_until_readable
from algo_panda.streaming.operator import Output
from algo_panda.wire.errors import WireError
from tests.chaos.strategies import SLOW
from tests.chaos.uninterrupted import Expected, UninterruptedPass
from tests.oracle.ids import partition_of
from tests.support.system import System, WorkerProcess

SESSION_SECONDS = 3.0
NO_RECORD = b"no record"
"""What storms put onto topics, and no reader can use."""
ENTRY = Path(__file__).with_name("faulty_worker.py")
OUTPUTS = ("signals", "rejections", "ticks.dlq")
MAX_POSITION = 50
"""So small that risk rejects a part of the signals."""
ACCOUNTS = {"paper": "PAPER-1", "zerodha": "ZERODHA-1"}
"""The router has no broker ``zerodha``, and rejects its orders."""
COMMON: Mapping[str, Any] = {
    "risk_max_position": MAX_POSITION,
    "accounts": ACCOUNTS,
    # The ticks are of a past day, and only paper may be set to accept that.
    "signal_ttl_seconds": 1_000_000_000,
}
"""Settings of every storm."""


class Fault(NamedTuple):
    """What a worker does to itself."""

    step: str
    nth: int
    signal: signal.Signals


@dataclass
class Verdict:
    """What was compared with the program's own uninterrupted pass, and with the oracle."""

    ticks: int
    signals: int
    duplicates: int
    missing: int
    unexpected: int
    instruments: int
    wrong_states: int
    orders: int
    doubled_orders: int
    unanswered_signals: int
    wrong_executions: int
    activations: int
    money_differences: list[str]
    """What the oracle finds wrong with risk, router and paper venue."""
    runner_differences: list[str]
    """What the oracle finds wrong with the runner."""

    @property
    def differences(self) -> int:
        return (
            self.missing
            + self.unexpected
            + self.wrong_states
            + self.doubled_orders
            + self.unanswered_signals
            + self.wrong_executions
            + len(self.money_differences)
            + len(self.runner_differences)
        )


class ChaosSystem(System):
    """A ``System`` whose workers may die."""

    patience_seconds = 240.0

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        prefix: str,
        delivery: str = "at_least_once",
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        self.changed_settings = {**COMMON, **(changes or {})}
        super().__init__(folder, bootstrap_servers, prefix)
        self.delivery = delivery
        self.versions: list[StrategyConfig] = []

    # Strategies

    def configure(self, *configs: StrategyConfig) -> None:
        self.add(*configs)
        self.versions = self._stored()

    def change(self, config: StrategyConfig, **parameters: object) -> None:
        with self.repository() as repository:
            repository.update_parameters(config.id, {**config.parameters, **parameters})
        known = {(c.id, c.version) for c in self.versions}
        order = [c.id for c in self._stored()]
        new = [c for c in self._stored() if (c.id, c.version) not in known]
        self.versions = sorted([*self.versions, *new], key=lambda c: (order.index(c.id), c.version))

    def _stored(self) -> list[StrategyConfig]:
        with self.repository() as repository:
            return list(repository.load().usable)

    # Workers

    @property
    def variables(self) -> dict[str, str]:
        """The settings that differ from those of other tests, for processes."""
        return {
            f"PANDA_{name.upper()}": json.dumps(value) if isinstance(value, dict) else str(value)
            for name, value in self.changed_settings.items()
        }

    def spawn(self, program: str, fault: Fault | None = None, **env: str) -> WorkerProcess:
        """Start a worker; the oracle does not take settings of a single one for those of all."""
        args = [] if fault is None else [fault.step, str(fault.nth), fault.signal.name]
        before = self._runner_environment
        worker = self._spawn(
            program,
            [str(ENTRY), program, *args],
            {
                "PANDA_DELIVERY": self.delivery,
                "PANDA_LOG_FORMAT": "json",
                SLOW: "1",
                **self.variables,
                "PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
                # A storm stops the broker for longer than 5 s. Which ticks and orders meet the halt
                # is a matter of timing, and the oracle compares every order and fill.
                "PANDA_CONTROL_TIMEOUT_SECONDS": "3600",
                **env,
            },
        )
        if env and before:
            self._runner_environment = before
        return worker

    def rebalances(self, program: str = "runner") -> int:
        """Generations of the group that some worker has seen."""
        pattern = re.compile(rf"generation (\d+) of {re.escape(self.settings.topic_prefix)}panda-")
        logs = [w.log for w in self.workers if w.log.name.endswith(f"-{program}.log")]
        return len({n for log in logs for n in pattern.findall(log.read_text("utf-8", "replace"))})

    def told(self, worker: WorkerProcess) -> str:
        """The end of its log, without what strategies do."""
        lines = worker.log.read_text("utf-8", "replace").splitlines()
        return "\n".join([line for line in lines if "algo_panda.runner." not in line][-30:])

    def is_stopped(self, worker: WorkerProcess) -> bool:
        return psutil.Process(worker.process.pid).status() == psutil.STATUS_STOPPED

    # Afterwards

    def verdict(self) -> Verdict:
        """Compare everything with one uninterrupted pass, and with the oracle."""
        # Not with what stands before a transaction that was left open.
        wait_until_readable(
            self.connection,
            [
                (self.settings.topic(topic), number)
                for topic, count in self.partitions.items()
                for number in range(count)
            ],
        )
        ticks, own = self.raw_ticks(), UninterruptedPass(self.settings)
        activations = self.values("activations")
        expected = self.expected(own, ticks)
        said = self.runner_outputs()
        found = frozenset(said)
        wanted = expected.outputs
        state = self._state()
        orders = self.usable("orders")
        reports = self.usable("executions")
        executions, fills = Counter[ExecutionReport](), Counter[ExecutionReport]()
        if not self._was_halted():  # which ticks pass by then, nothing records
            # What the venue knew is compared by the independent model.
            of_venue = (r for r in reports if r.venue_order_id is not None)
            executions = Counter(r._replace(decision=None) for r in of_venue)
            fills = Counter(own.fill(self._orders_at_home(), ticks))
        names = [o.client_order_id for o in orders]
        events = [e.execution_id for e in reports]
        signals = {s.signal_id: s for s in self.usable("signals")}
        answered = {o.signal_id for o in orders} | {
            r.signal_id for r in self.values("rejections") if r.stage is not Stage.RUNNER
        }
        to_trade = {i for i, s in signals.items() if s.signal_type != "HOLD" and s.brokers}
        return Verdict(
            ticks=sum(map(len, ticks.values())),
            signals=len(signals),
            duplicates=len(said) - len(found),
            missing=len(wanted - found),
            unexpected=len(found - wanted),
            instruments=sum(map(len, state.values())),
            wrong_states=sum(
                state[n].get(key) != expected.state[n].get(key)
                for n in ticks
                for key in {*state[n], *expected.state[n]}
            ),
            orders=len(orders),
            doubled_orders=len(names) - len(set(names)) + len(events) - len(set(events)),
            unanswered_signals=len(to_trade ^ answered),
            wrong_executions=(fills - executions).total() + (executions - fills).total(),
            activations=len(activations),
            money_differences=self.money_differences(),
            runner_differences=self.runner_differences(
                rows=self.versions, may_repeat=self.delivery == "at_least_once"
            ),
        )

    def raw_ticks(self) -> dict[int, list[Message]]:
        """The records of ``ticks``, by partition."""
        ticks: dict[int, list[Message]] = {n: [] for n in range(self.partitions["ticks"])}
        for message in self.raw("ticks"):
            ticks[message.partition()].append(message)
        return ticks

    def expected(self, own: UninterruptedPass, ticks: Mapping[int, Sequence[Message]]) -> Expected:
        """What one uninterrupted pass gives."""
        activations = self.values("activations")
        # Not in the main thread: there, a strategy's KeyboardInterrupt would be that of a person.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(own.expect, ticks, self.versions, activations).result()

    def runner_outputs(self) -> list[Output]:
        """What the runners sent, repetitions included."""
        return [_output(m) for topic in OUTPUTS for m in self.raw(topic) if self._is_runners(m)]

    def usable(self, topic: str) -> list[Any]:
        """The records of a topic, without those that storms put there and nobody can use."""
        decode = self.codecs.by_topic[topic].decode
        found: list[Any] = []
        for message in self.raw(topic):
            with suppress(WireError):
                found.append(decode(message.value()))
        return found

    def _is_runners(self, message: Message) -> bool:
        """Neither a rejection by risk or the router, nor what storms put onto ``signals``."""
        if message.topic() == self.settings.topic("signals"):
            return message.value() != NO_RECORD
        if message.topic() != self.settings.topic("rejections"):
            return True
        return bool(self.codecs.rejections.decode(message.value()).stage == Stage.RUNNER)

    def _was_halted(self) -> bool:
        return any(event.state is TradingState.HALTED for event in self.usable("control"))

    def _orders_at_home(self) -> list[Order]:
        """The orders that the paper venue takes: their ticks are in the partition of their key."""
        return [
            order
            for order in self.usable("paper-orders")
            if order.tick_partition
            == partition_of(b"%d" % order.instrument_token, self.partitions["ticks"])
        ]

    def _state(self) -> dict[int, dict[bytes, bytes]]:
        state: dict[int, dict[bytes, bytes]] = {n: {} for n in range(self.partitions["ticks"])}
        for message in self.raw("runner-state-changelog"):
            key = message.key()
            if not key.startswith(b"\x00"):
                state[message.partition()][key] = message.value()
        return state


class TickStream:
    """Publishes ticks at a steady rate from a thread, with some records that are none."""

    def __init__(self, system: ChaosSystem, ticks: Iterable[MarketTick], rate: float) -> None:
        self._topic = system.settings.topic("ticks")
        self._encode = system.codecs.ticks.encode
        self._producer = Producer({**producer_config(system.connection)})
        self._ticks = ticks
        self.rate = rate
        """Ticks a second; may be changed at any time."""
        self.most = float("inf")
        """It waits when it has published so many; may be changed at any time."""
        self.recent: deque[MarketTick] = deque(maxlen=300)
        """Ticks that were published last, for whoever publishes them again."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.published = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> int:
        """Publish no more; gives how many records there are."""
        self._stop.set()
        return self.finish()

    def finish(self) -> int:
        """Wait for the last tick."""
        self._thread.join()
        return self.published

    def _run(self) -> None:
        due = time.monotonic()
        for number, tick in enumerate(self._ticks):
            while self.published >= self.most and not self._stop.wait(0.05):
                due = time.monotonic()
            if self._stop.is_set():
                break
            key = b"%d" % tick.instrument_token
            value = b"no tick" if number % 997 == 5 else self._encode(tick)
            self._producer.produce(self._topic, value, key)
            self.published += 1
            self.recent.append(tick)
            due += 1 / self.rate
            ahead = due - time.monotonic()
            if ahead > 0.02:
                self._producer.poll(0)
                time.sleep(ahead)
        assert self._producer.flush(120) == 0


def _output(message: Message) -> Output:
    return Output(
        message.topic() or "", message.key(), message.value(), tuple(message.headers() or ())
    )
