"""Faults in random order, repeatable by their seed, and the comparison afterwards."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.kafka.admin import connect, end_offsets
from algo_panda.kafka.embedded import EmbeddedKafka
from tests.chaos.registry import FileRegistry
from tests.chaos.system import SESSION_SECONDS, ChaosSystem, Fault, TickStream, Verdict
from tests.support.system import WorkerProcess

TOKENS = tuple(range(1001, 1017))
MODEL = Path(__file__).parents[2] / "app" / "algo_panda" / "ml" / "models" / "momentum.onnx"
START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)

STEPS = (
    "restore: former owner fenced",
    "restore: changelog read",
    "restore: ticks replayed",
    "checkpoint: state taken",
    "checkpoint: outputs confirmed",
    "checkpoint: transaction begun",
    "checkpoint: state written",
    "checkpoint: positions written",
    "checkpoint: transaction committed",
)
"""Every step that the engine names."""

STAGES = ("risk-1", "router-1", "paper-1")
WORKERS = ("runner-1", "runner-2", *STAGES)
_CLEAN = frozenset({0, -signal.SIGKILL, -signal.SIGTERM})


BOTH = ("paper", "zerodha")


def _row(
    number: int,
    kind: str,
    tokens: Sequence[int],
    brokers: tuple[str, ...] = ("paper",),
    **parameters: object,
) -> StrategyConfig:
    return StrategyConfig(
        id=UUID(int=number),
        strategy_type=kind,
        parameters=parameters,
        instruments=tuple(tokens),
        active_brokers=brokers,
    )


def strategies() -> list[StrategyConfig]:
    """Of several kinds: rules, models, bars, history, without snapshots, and one that fails.

    Some send orders to a second broker, which is not available to the router.
    """
    make, model = _row, {"model_path": str(MODEL)}
    return [
        make(1, "rules_rsi", TOKENS, BOTH, period=14),
        make(2, "rules_rsi", TOKENS[:8], period=5, trigger="cross", validation={}),
        make(3, "ml_momentum", TOKENS[:4], **model),
        make(4, "hybrid_ml_rsi_filter", TOKENS[4:8], **model),
        make(5, "chaos_moody", TOKENS[2:12], hopeless_token=TOKENS[5], hopeless_after=60),
        make(6, "chaos_bars", TOKENS, BOTH, bar_seconds=2),
        make(7, "chaos_past", TOKENS[8:], size=25),
        make(8, "chaos_unbounded", TOKENS[:6], bar_seconds=3),
        make(10, "chaos_slow", TOKENS[:1], seconds=SESSION_SECONDS + 1, every=700),
        make(9, "chaos_recent", TOKENS[4:10], size=20, bar_seconds=5),
    ]


def unruly() -> list[StrategyConfig]:
    """Strategies that raise what is no exception, and orders that one tick may not fill.

    A replay from the command line takes their ``KeyboardInterrupt`` for a Ctrl-C.
    """
    return [
        _row(11, "chaos_escaping", TOKENS[10:14], BOTH, quantity=12, bar_seconds=3),
        _row(12, "rules_rsi", TOKENS[:6], quantity=25, period=3, validation={}),
    ]


CLIMATES: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "partial fills": {
        "paper_volume_limit": "0.1",
        "paper_expire_seconds": 1,
        "paper_spread": "2 ticks",
        "paper_tick_size": "0.05",
        "paper_slippage": "1.5 bps",
        "paper_slippage_probability": 0.3,
        "paper_latency_ms": 50,
        "paper_latency_jitter_ms": 100,
        "paper_fees": "zerodha-nse-intraday-2024-10",
        "paper_seed": 7,
    },
    "irregular ticks": {
        "misplaced_ticks": "process",
        "duplicate_ticks": "drop",
        "out_of_order_ticks": "drop",
    },
}
"""Settings of all workers that storms run with."""


def synthetic(seed: int) -> Iterator[MarketTick]:
    source = SyntheticSource(
        instruments=TOKENS, ticks=10_000_000, seed=seed, start=START, ticks_per_second=100
    )
    return (row.tick for row in source)


@dataclass
class Storm:
    """Runners that are killed, stopped and frozen while ticks flow."""

    system: ChaosSystem
    seed: int
    broker: EmbeddedKafka | None = None
    """One of our own, which may be restarted."""
    rate: float = 1500.0
    ticks_per_fault: float = float("inf")
    """No more are published while a fault lasts, so that a slow machine has no more to do."""
    registry: FileRegistry | None = None
    """The one that the workers use, if they use one."""
    configs: list[StrategyConfig] = field(default_factory=strategies)
    kills: int = 0
    log: Callable[[str], None] = print
    endings: Counter[int] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    _live: dict[str, WorkerProcess] = field(default_factory=dict)
    _allowed: set[int] = field(default_factory=lambda: set(_CLEAN))

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self._periods = count(6)
        self.system.configure(*self.configs)
        self.stream = TickStream(self.system, synthetic(self.seed), self.rate)

    # The whole of it

    def rage(self, faults: int, kinds: Sequence[Callable[["Storm"], None]]) -> Verdict:
        """So many faults, each of a random kind."""
        with self:
            for number in range(faults):
                kind = self.random.choice(kinds)
                self.log(f"seed {self.seed}: fault {number + 1} of {faults}: {kind.__name__}")
                self.strike(kind)
        return self.settle()

    def strike(self, kind: Callable[["Storm"], None]) -> None:
        """One fault, a moment, and what ended begins anew."""
        self.actions[kind.__name__] += 1
        self.stream.most = self.stream.published + self.ticks_per_fault
        kind(self)
        time.sleep(self.random.uniform(0.2, 2.5))
        self.heal()

    def __enter__(self) -> "Storm":
        self.heal()
        self.stream.start()
        self.system.until("a first signal", lambda: bool(self._processed()))
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.stop()

    def settle(self) -> Verdict:
        """Let it come to rest, stop it, and compare."""
        self.come_to_rest()
        for name in list(self._live):
            self.end(name, signal.SIGTERM)
        return self.system.verdict()

    def come_to_rest(self) -> None:
        """Wait until every stage has processed all there is."""
        self.stream.finish()
        ticks = self.system.settings.topic("ticks")
        published = sum(end_offsets(connect(self.system.connection), [ticks]).values())
        with self.system.monitor() as monitor:

            def settled() -> bool:
                self.heal()
                while monitor.look(0):
                    pass
                return bool(monitor.has_settled(published))

            self.system.until("everything processed by every stage", settled)

    # Workers

    def start(self, name: str, fault: Fault | None = None) -> WorkerProcess:
        worker = self._live[name] = self.system.spawn(name.split("-", maxsplit=1)[0], fault)
        return worker

    def heal(self) -> None:
        """Start those anew that have ended."""
        for name, worker in list(self._live.items()):
            code = worker.process.poll()
            if code is not None:
                self._ended(name, code)
        for name in WORKERS:
            if name not in self._live:
                self.start(name)

    def end(self, name: str, number: signal.Signals) -> int:
        worker = self._live[name]
        worker.process.send_signal(number)
        code = worker.process.wait(90)
        if number is signal.SIGKILL:
            self.kills += 1
        else:  # by the signal itself: it had not got so far as to heed it
            assert code in {0, -signal.SIGTERM, *self._allowed}, self.system.told(worker)
        self._ended(name, code)
        return code

    def expect_stop(self, worker: WorkerProcess, code: int, *parts: str) -> None:
        """See a worker end by itself: with this exit code, and one line that has these parts."""
        ended = worker.process.wait(240)
        told = self.system.told(worker)
        assert ended == code, f"it ended with {ended}, expected {code}:\n{told}"
        assert "\nTraceback" not in told, told
        last = told.splitlines()[-1]
        assert last.startswith("error: "), told
        for part in parts:
            assert part in last, f"no {part!r} in: {last}"
        self.endings[ended] += 1

    def expect_end(self, name: str, code: int, *parts: str) -> None:
        """See one of the storm's own workers end by itself, as ``expect_stop`` does."""
        self.expect_stop(self._live.pop(name), code, *parts)

    def panda(self, *args: str) -> str:
        """Run a command of the command line, which has to succeed; return what it printed."""
        ended = self.system.panda(*args, env=self.system.variables, timeout=240)
        assert ended.returncode == 0, f"panda {' '.join(args)}: {ended.stderr}"
        return ended.stdout

    def worker(self, name: str) -> WorkerProcess:
        return self._live[name]

    def wait_until_started(self) -> None:
        """Wait for workers that are still starting, and need what they start with."""

        def is_past_start(worker: WorkerProcess) -> bool:
            log = worker.log.read_text("utf-8", "replace")
            return " is ready" in log or worker.process.poll() is not None

        workers = self._live.values()
        self.system.until("workers that are ready", lambda: all(map(is_past_start, workers)))

    def any_worker(self) -> str:
        return self.random.choice(sorted(self._live))

    def runner(self) -> str:
        return self.random.choice([name for name in self._live if name.startswith("runner")])

    def _ended(self, name: str, code: int) -> None:
        self.endings[code] += 1
        worker = self._live.pop(name)
        told = self.system.told(worker)
        assert code in self._allowed, f"{name} ended with {code}:\n{told}"
        assert "\nTraceback" not in told, told

    def _processed(self) -> int:
        with self.system.monitor() as monitor:
            return int(monitor._processed("runner", "ticks"))

    # Faults

    def kill_runner(self) -> None:
        self.end(self.runner(), signal.SIGKILL)

    def kill_stage(self) -> None:
        self.end(self.random.choice(STAGES), signal.SIGKILL)

    def kill_all(self) -> None:
        for name in list(self._live):
            self.end(name, signal.SIGKILL)

    def kill_in_recovery(self) -> None:
        """Again and again, at any moment between the start of a process and its first work."""
        name = self.runner()
        self.end(name, signal.SIGKILL)
        for _ in range(2):
            self.start(name)
            time.sleep(self.random.uniform(1.0, 4.0))
            self.end(name, signal.SIGKILL)

    def terminate_runner(self) -> None:
        name = self.runner()
        self.end(name, signal.SIGTERM)

    def terminate_stage(self) -> None:
        name = self.random.choice(STAGES)
        self.end(name, signal.SIGTERM)

    def freeze_runner(self) -> None:
        """Past the session timeout: a zombie wakes up."""
        worker = self._live[self.runner()]
        worker.process.send_signal(signal.SIGSTOP)
        time.sleep(SESSION_SECONDS + self.random.uniform(1.0, 4.0))
        worker.process.send_signal(signal.SIGCONT)

    def crash_at_step(self) -> None:
        self.crash_at(self.random.choice(STEPS))

    def crash_at(self, step: str) -> None:
        """Killed right behind a step of opening or of a checkpoint."""
        name = self.runner()
        self.end(name, signal.SIGKILL)
        worker = self.start(name, self._fault(step, signal.SIGKILL))
        self.wait_briefly(lambda: worker.process.poll() is not None)
        self.end(name, signal.SIGKILL)

    def zombie_at_step(self) -> None:
        self.zombie_at(self.random.choice(STEPS))

    def zombie_at(self, step: str) -> None:
        """Paused inside a checkpoint, it goes on when its partitions have gone to another."""
        name = self.runner()
        self.end(name, signal.SIGKILL)
        worker = self.start(name, self._fault(step, signal.SIGSTOP))
        if not self.wait_briefly(lambda: self.system.is_stopped(worker)):
            self.end(name, signal.SIGKILL)  # else it would stop at some later time
            return
        before = self.system.rebalances()
        self.wait_briefly(lambda: self.system.rebalances() > before)
        time.sleep(self.random.uniform(0.0, 2.0))
        worker.process.send_signal(signal.SIGCONT)

    def _fault(self, step: str, number: signal.Signals) -> Fault:
        times = 2 if step.startswith("restore") else 6
        return Fault(step, self.random.randint(1, times), number)

    def scale(self) -> None:
        """1 -> 4 -> 2 workers."""
        self.end("runner-2", signal.SIGTERM)
        time.sleep(self.random.uniform(0.5, 2.0))
        for number in (2, 3, 4):
            self.start(f"runner-{number}")
        before = self.system.rebalances()
        self.wait_briefly(lambda: self.system.rebalances() > before)
        time.sleep(self.random.uniform(0.0, 3.0))
        self.end("runner-3", signal.SIGTERM)
        self.end("runner-4", signal.SIGKILL)

    def change_parameters(self) -> None:
        """And start all runners anew, one after a kill, one after a clean stop."""
        config = self.configs[0]
        self.system.change(config, period=next(self._periods))
        self.end("runner-1", self.random.choice([signal.SIGKILL, signal.SIGTERM]))
        self.start("runner-1")
        time.sleep(self.random.uniform(0.0, 3.0))
        self.end("runner-2", self.random.choice([signal.SIGKILL, signal.SIGTERM]))

    def restart_broker(self) -> None:
        assert self.broker is not None
        self._allowed.add(4)
        self.broker.stop()
        time.sleep(self.random.uniform(0.0, 2.0))
        self.broker.start()

    def kill_broker(self) -> None:
        assert self.broker is not None
        assert self.broker._process is not None
        self._allowed.add(4)
        self.broker._process.kill()
        self.broker._process.wait()
        self.broker.stop()
        self.broker.start()

    def signals_outage(self) -> None:
        """The broker takes no signals for a while; the workers end, and nothing is skipped."""
        self._allowed.add(4)
        self._limit_signals(_LESS_THAN_A_SIGNAL)
        self.wait_briefly(lambda: any(w.process.poll() == 4 for w in self._live.values()))
        self._limit_signals(None)

    def _limit_signals(self, largest: str | None) -> None:
        resource = ConfigResource(
            ResourceType.TOPIC,
            self.system.settings.topic("signals"),
            incremental_configs=[
                ConfigEntry(
                    "max.message.bytes",
                    largest,
                    incremental_operation=(
                        AlterConfigOpType.DELETE if largest is None else AlterConfigOpType.SET
                    ),
                )
            ],
        )
        admin = AdminClient({"bootstrap.servers": self.system.bootstrap_servers})
        for answer in admin.incremental_alter_configs([resource]).values():
            answer.result(30)

    def wait_briefly(self, condition: Callable[[], bool], seconds: float = 20.0) -> bool:
        """A fault need not come to pass: a worker may have nothing to do. Whether it did."""
        deadline = time.monotonic() + seconds
        while not (came := condition()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return came


_LESS_THAN_A_SIGNAL = "100"
"""Bytes of a batch; more than the 78 of a transaction's marker, which the broker writes itself:
where it refuses its own marker, it leaves the transaction open until it is restarted."""

WORKER_FAULTS: tuple[Callable[[Storm], None], ...] = (
    Storm.kill_runner,
    Storm.kill_runner,
    Storm.kill_stage,
    Storm.kill_all,
    Storm.kill_in_recovery,
    Storm.terminate_runner,
    Storm.terminate_stage,
    Storm.freeze_runner,
    Storm.crash_at_step,
    Storm.crash_at_step,
    Storm.zombie_at_step,
    Storm.scale,
    Storm.change_parameters,
)
BROKER_FAULTS: tuple[Callable[[Storm], None], ...] = (
    Storm.restart_broker,
    Storm.kill_broker,
    Storm.signals_outage,
)
