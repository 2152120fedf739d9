"""The whole system with worker processes that come and go, and everything that it left behind."""

import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import psutil
from confluent_kafka import Message, Producer

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.trading import Stage
from algo_panda.kafka.clients import producer_config
from algo_panda.kafka.open_transactions import wait_until_readable
from algo_panda.streaming.operator import Output
from tests.chaos.strategies import SLOW
from tests.chaos.uninterrupted import UninterruptedPass
from tests.support.system import System, WorkerProcess

SESSION_SECONDS = 3.0
ENTRY = Path(__file__).with_name("faulty_worker.py")
OUTPUTS = ("signals", "rejections", "ticks.dlq")
MAX_POSITION = 50
"""So small that risk rejects a part of the signals."""


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
    changed_settings: ClassVar[Mapping[str, Any]] = {"risk_max_position": MAX_POSITION}

    def __init__(
        self, folder: Path, bootstrap_servers: str, prefix: str, delivery: str = "at_least_once"
    ) -> None:
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

    def spawn(self, program: str, fault: Fault | None = None, **env: str) -> WorkerProcess:
        args = [] if fault is None else [fault.step, str(fault.nth), fault.signal.name]
        return self._spawn(
            program,
            [str(ENTRY), program, *args],
            {
                "PANDA_DELIVERY": self.delivery,
                "PANDA_LOG_FORMAT": "json",
                SLOW: "1",
                "PANDA_RISK_MAX_POSITION": str(self.settings.risk_max_position),
                "PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
                # A storm stops the broker for longer than 5 s. Which ticks and orders meet the halt
                # is a matter of timing, and the oracle compares every order and fill.
                "PANDA_CONTROL_TIMEOUT_SECONDS": "3600",
                **env,
            },
        )

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
        ticks: dict[int, list[Message]] = {n: [] for n in range(self.partitions["ticks"])}
        for message in self.raw("ticks"):
            ticks[message.partition()].append(message)
        own = UninterruptedPass(self.settings)
        activations = self.values("activations")
        expected = own.expect(ticks, self.versions, activations)
        said = [_output(m) for topic in OUTPUTS for m in self.raw(topic) if self._is_runners(m)]
        found = frozenset(said)
        wanted = expected.outputs
        state = self._state()
        orders = self.values("orders")
        reports = self.values("executions")
        # What the venue knew is compared by the independent model.
        executions = Counter(report._replace(decision=None) for report in reports)
        fills = Counter(own.fill(orders, ticks))
        names = [o.client_order_id for o in orders]
        events = [e.execution_id for e in reports]
        signals = {s.signal_id: s for s in self.values("signals")}
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

    def _is_runners(self, message: Message) -> bool:
        """Not a rejection by risk or the router."""
        if message.topic() != self.settings.topic("rejections"):
            return True
        return bool(self.codecs.rejections.decode(message.value()).stage == Stage.RUNNER)

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
        self._rate = rate
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
        started = time.monotonic()
        for number, tick in enumerate(self._ticks):
            if self._stop.is_set():
                break
            key = b"%d" % tick.instrument_token
            value = b"no tick" if number % 997 == 5 else self._encode(tick)
            self._producer.produce(self._topic, value, key)
            self.published += 1
            ahead = self.published / self._rate - (time.monotonic() - started)
            if ahead > 0.02:
                self._producer.poll(0)
                time.sleep(ahead)
        assert self._producer.flush(120) == 0


def _output(message: Message) -> Output:
    return Output(
        message.topic() or "", message.key(), message.value(), tuple(message.headers() or ())
    )
