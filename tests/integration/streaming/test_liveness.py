"""Workers that hang, lose their broker, are killed: what is seen, and how it ends."""

import re
import sys
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from algo_panda.settings import Settings
from tests.support.system import System, WorkerProcess, health

pytestmark = [pytest.mark.broker, pytest.mark.timeout(1200)]

START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
TOKENS = range(1001, 1017)
"""As many as have ticks on all four partitions."""

LOOP = re.compile(r"hanging\.py:1[45] in process_tick")
HANGING = """\
import re
from pathlib import Path


class Hanging:
    def __init__(self, how):
        self.how = how

    def process_tick(self, tick, history):
        if not Path("hang").exists():
            return None
        if self.how == "native":
            re.match("(a+)+$", "a" * 60 + "b")
        while True:
            pass


def create_processor(config, context):
    return Hanging(config.parameters["how"])
"""


SLOW_TO_RESTORE = """\
import time


class Slow:
    history_size = 0

    def process_tick(self, tick, history):
        return None

    def snapshot(self):
        return b"state"

    def restore(self, state):
        time.sleep(0.5)


def create_processor(config, context):
    return Slow()
"""


@pytest.fixture
def system(tmp_path: Path, kafka, topic_prefix: str) -> Generator[System]:
    running = System(tmp_path, kafka.bootstrap_servers, topic_prefix)
    yield running
    running.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Generator[EmbeddedKafka]:
    with EmbeddedKafka(tmp_path / "kafka", *free_ports(2)) as broker:
        yield broker


@pytest.fixture
def on_own_broker(tmp_path: Path, own_broker: EmbeddedKafka) -> Generator[System]:
    running = System(tmp_path, own_broker.bootstrap_servers, "own-")
    yield running
    running.close()


def ticks(first: int, count: int) -> Iterator[MarketTick]:
    """So many of each instrument, from the second ``first`` on."""
    for second in range(first, first + count):
        for token in TOKENS:
            yield MarketTick.of(
                instrument_token=token,
                event_time=START + timedelta(seconds=second),
                last_price=100 + second,
            )


def add_rules(system: System) -> None:
    system.add(
        StrategyConfig(
            id=UUID(int=1),
            strategy_type="rules_rsi",
            parameters={"period": 5},
            instruments=tuple(TOKENS),
            active_brokers=("paper",),
        )
    )


def start_hanging(system: System, how: str = "python", **env: str) -> WorkerProcess:
    """A runner that has processed some ticks, and hangs as soon as more come."""
    (system.folder / "hanging.py").write_text(HANGING)
    mine = {"PANDA_PROCESSORS": '{"hanging": "hanging.create_processor"}'}
    added = system.panda(
        "strategies", "add", "hanging", "--instruments", "1001", "--param", f"how={how}", env=mine
    )
    assert added.returncode == 0, added.stderr
    (worker,) = system.start(
        "runner", env={**mine, "PANDA_CHECKPOINT_INTERVAL_SECONDS": "0.5", **env}
    )
    run_until_durable(system, system.publish(ticks(0, 5)))
    (system.folder / "hang").touch()
    return worker


def run_until_durable(system: System, count: int) -> None:
    with system.monitor() as monitor:
        system.wait("all ticks", lambda: monitor._processed("runner", "ticks") == count)


def lags(worker: WorkerProcess) -> dict[int, float]:
    """By partition of ticks."""
    return {
        int(dict(labels)["partition"]): value
        for (name, labels), value in worker.metrics().items()
        if name == "panda_consumer_lag_records"
    }


def until(what: str, condition: Callable[[], bool]) -> None:
    """Wait for it, also where a worker of the system is meant to end."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def ending(worker: WorkerProcess) -> tuple[int, str]:
    """Exit code and the one line that is no log line; nothing else was printed."""
    code = worker.process.wait(120)
    log = worker.log.read_text("utf-8", "replace").splitlines()
    (line,) = [line for line in log if not line.startswith("20")]
    return code, line


def kill(broker: EmbeddedKafka) -> None:
    assert broker._process is not None
    broker._process.kill()
    broker._process.wait()


def test_a_strategy_that_never_returns_turns_health_red(system: System) -> None:
    worker = start_hanging(system, PANDA_STALL_SECONDS="2")
    assert health(worker) == (200, {"status": "ok", "reasons": []})
    until("no lag", lambda: set(lags(worker)) == {0, 1, 2, 3} and not any(lags(worker).values()))

    system.publish(ticks(5, 3))
    until("a stall", lambda: health(worker)[0] == 503)
    told = health(worker)[1]
    assert told["status"] == "stalled"
    for reason in told["reasons"]:
        assert reason["topic"] == system.settings.topic("ticks")
        assert reason["lag"] == lags(worker)[reason["partition"]] > 0
        assert reason["seconds"] > 2
    until("a line", lambda: LOOP.search(worker.log.read_text()) is not None)


def test_where_it_is_to_exit_a_stalled_worker_does_so_with_one_line(system: System) -> None:
    worker = start_hanging(system, PANDA_STALL_SECONDS="2", PANDA_EXIT_ON_STALL="1")
    system.publish(ticks(5, 3))
    code, line = ending(worker)
    assert code == 7
    assert line.startswith("error: the worker is stalled: ")
    assert "records to process" in line
    assert LOOP.search(line)


def test_native_code_that_holds_the_interpreter_does_not_keep_a_worker_from_exiting(
    system: System,
) -> None:
    worker = start_hanging(system, "native", PANDA_STALL_SECONDS="2", PANDA_EXIT_ON_STALL="1")
    system.publish(ticks(5, 3))
    assert worker.process.wait(120) == 1
    log = worker.log.read_text()
    assert "Timeout (" in log
    assert 'hanging.py", line 13 in process_tick' in log


def test_a_worker_that_hangs_obeys_all_the_same(system: System) -> None:
    worker = start_hanging(system)
    system.publish(ticks(5, 3))
    until("it hangs", lambda: any(lags(worker).values()))
    worker.process.terminate()
    code, line = ending(worker)
    assert code == 4
    assert line.startswith("error: told to stop, and the last checkpoint could not be written")


def test_lags_follow_the_partitions(system: System) -> None:
    add_rules(system)
    first, second = system.start("runner", "runner")
    both = {0, 1, 2, 3}
    system.wait(
        "two each",
        lambda: (
            len(lags(first)) == len(lags(second)) == 2
            and lags(first).keys() | lags(second).keys() == both
        ),
    )
    assert second.stop() == 0
    system.wait("all on one", lambda: lags(first).keys() == both)
    system.publish(ticks(0, 5))
    system.wait("nothing left", lambda: set(lags(first).values()) == {0.0})
    assert health(first)[0] == 200


def test_a_worker_for_which_no_partition_is_left_is_well(system: System) -> None:
    add_rules(system)
    many = system.start(*["runner"] * 5, env={"PANDA_STALL_SECONDS": "3"})
    system.wait(
        "all have joined", lambda: sorted(len(lags(one)) for one in many) == [0, 1, 1, 1, 1]
    )
    joined = time.monotonic()
    system.wait("longer than a stall takes", lambda: time.monotonic() > joined + 8)
    assert [health(one)[0] for one in many] == [200] * 5


def test_told_to_stop_without_a_broker_it_gives_up_and_loses_nothing(
    on_own_broker: System, own_broker: EmbeddedKafka
) -> None:
    system = on_own_broker
    add_rules(system)
    (worker,) = system.start("runner")
    run_until_durable(system, system.publish(ticks(0, 10)))
    kill(own_broker)
    until("it is noticed", lambda: health(worker)[1].get("status") == "no broker")
    worker.process.terminate()
    code, line = ending(worker)
    assert code == 4
    assert line.startswith("error: told to stop, and the last checkpoint could not be written")

    own_broker.start()
    system.workers.clear()
    system.start("runner")
    run_until_durable(system, 10 * len(TOKENS) + system.publish(ticks(10, 5)))
    signals = {signal.signal_id for signal in system.values("signals")}
    assert len(signals) == len(TOKENS) * 10  # of 15 ticks each, all but those that RSI begins with


def test_without_a_broker_a_worker_ends_with_one_line(
    on_own_broker: System, own_broker: EmbeddedKafka
) -> None:
    system = on_own_broker
    add_rules(system)
    (worker,) = system.start("runner")
    run_until_durable(system, system.publish(ticks(0, 10)))
    kill(own_broker)
    code, line = ending(worker)
    assert code == 4
    assert line.startswith("error: ")


def test_a_killed_runners_partitions_flow_on_another(system: System) -> None:
    add_rules(system)
    default = str(Settings.model_fields["checkpoint_interval_seconds"].default)
    first, second = system.start(
        "runner", "runner", env={"PANDA_CHECKPOINT_INTERVAL_SECONDS": default}
    )
    system.wait("two each", lambda: len(lags(first)) == len(lags(second)) == 2)
    run_until_durable(system, system.publish(ticks(0, 5)))
    before = first.metric("panda_records_processed_total")

    second.process.kill()
    killed = time.monotonic()
    second.process.wait()
    system.workers.remove(second)
    published = system.publish(ticks(5, 5))
    system.wait(
        "all partitions flow",
        lambda: first.metric("panda_records_processed_total") == before + published,
    )
    seconds = time.monotonic() - killed
    sys.stdout.write(f"seconds from the kill until all partitions flow: {seconds:.1f}\n")


def test_a_killed_worker_that_comes_back_under_its_name_disturbs_nobody(system: System) -> None:
    add_rules(system)
    env = {"PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": "30"}  # starting again takes less, however busy
    (stays,) = system.start("runner", args=["--instance-id", "stays"], env=env)
    (falls,) = system.start("runner", args=["--instance-id", "falls"], env=env)
    system.wait("two each", lambda: len(lags(stays)) == len(lags(falls)) == 2)
    published = system.publish(ticks(0, 5))
    run_until_durable(system, published)
    before, partitions = generations(stays), set(lags(falls))

    falls.process.kill()
    falls.process.wait()
    system.workers.remove(falls)
    (again,) = system.start("runner", args=["--instance-id", "falls"], env=env)
    published += system.publish(ticks(5, 5))
    run_until_durable(system, published)
    system.wait("the same partitions again", lambda: set(lags(again)) == partitions)
    assert generations(stays) == before


def generations(worker: WorkerProcess) -> list[str]:
    """What the group gave it, time by time."""
    return [
        line.split("[info")[1]
        for line in worker.log.read_text().splitlines()
        if "generation" in line
    ]


def test_a_restore_that_takes_longer_than_a_session_is_done_once(system: System) -> None:
    (system.folder / "slow.py").write_text(SLOW_TO_RESTORE)
    mine = {
        "PANDA_PROCESSORS": '{"slow": "slow.create_processor"}',
        "PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": "2",
    }
    tokens = ",".join(map(str, TOKENS[:8]))
    added = system.panda("strategies", "add", "slow", "--instruments", tokens, env=mine)
    assert added.returncode == 0, added.stderr
    (worker,) = system.start("runner", env=mine)
    run_until_durable(system, system.publish(ticks(0, 2)))
    assert worker.stop() == 0

    (again,) = system.start("runner", env=mine)
    for second in range(2, 5):
        system.publish(ticks(second, 1))
        run_until_durable(system, (second + 1) * len(TOKENS))
    assert again.log.read_text().count("this worker owns") == 1
