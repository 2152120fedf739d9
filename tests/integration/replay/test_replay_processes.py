"""A replay in real processes: it says what one process says, and leaves none behind."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.kafka.placement import partition_of
from algo_panda.replay.recorder import open_recorder
from algo_panda.replay.recording import Manifest
from algo_panda.wire.codecs import load_codecs
from tests.support import processes
from tests.support.processes import eventually, in_session

CODEC = load_codecs().ticks
TOKENS = (256, 512, 768, 1024)
TICKS = 4_000
START = datetime(2026, 1, 5, 9, 15, tzinfo=UTC)
STRATEGIES = """\
strategies:
  - strategy_type: rules_rsi
    instruments: [256, 512, 768, 1024]
    parameters: {period: 5}
  - strategy_type: hybrid_ml_rsi_filter
    instruments: [768, 256]
    parameters: {min_probability: 0.51, lower: 45, upper: 55}
  - strategy_type: ml_momentum
    instruments: [512, 1024]
    parameters: {min_probability: 0.51}
    active_brokers: []
  - strategy_type: odd
    instruments: [1024, 512, 256]
    parameters: {does: fail}
  - strategy_type: odd
    instruments: [256]
    parameters: {does: refuse}
"""
ODD = """\
import logging, os, pathlib, time
from decimal import Decimal
from algo_panda import SignalResult

class Odd:
    history_size = 0

    def __init__(self, does, token):
        self.does = does
        self.token = token
        self.seen = 0

    def process_tick(self, tick, history, /):
        self.seen += 1
        if self.does == "fail":
            if self.seen > self.token or self.seen % 7 == 0:
                raise ValueError(f"no more than {self.token}")
            return SignalResult("BUY", 0.5, self.seen % 4 - 1, tick.last_price, "as odd as ever")
        if self.does == "hang" and self.seen > 20:
            pathlib.Path(f"hangs-{os.getpid()}").touch()
            while True:
                time.sleep(60)
        time.sleep(0.001)
        return SignalResult("BUY", 0.5, 1, tick.last_price)

    def load_model(self):
        return self.does != "refuse"

    def shutdown(self):
        if self.seen:
            pathlib.Path(f"shut-{self.token}").write_text(str(self.seen))

def create_processor(config, context):
    return Odd(config.processor_parameters["does"], context.instrument_token)
"""
ONLY_ODD = """\
strategies:
  - strategy_type: odd
    instruments: [256, 512]
    parameters: {does: wait}
"""


@dataclass(frozen=True)
class Record:
    """A tick on the topic, as the client library gives it."""

    at: tuple[int, int]
    tick: MarketTick

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def key(self) -> bytes:
        return str(self.tick.instrument_token).encode()

    def value(self) -> bytes:
        return CODEC.encode(self.tick)

    def timestamp(self) -> tuple[int, int]:
        return (1, self.tick.event_time_us // 1_000 + 5)

    def headers(self) -> None:
        return None


def walk() -> Sequence[MarketTick]:
    """Prices that walk at random; now and then a tick comes twice, or late."""
    source = SyntheticSource(
        instruments=TOKENS, ticks=TICKS, seed=5, start=START, ticks_per_second=1
    )
    found: list[MarketTick] = []
    for n, row in enumerate(source):
        late = 20_000_000 if n % 777 == 776 else 0
        tick = row.tick._replace(event_time_us=row.tick.event_time_us - late)
        found.append(found[-1] if n and n % 500 == 0 else tick)
    return found


def write_recording(folder: Path, ticks: Sequence[MarketTick]) -> None:
    """Of three partitions, each with the instruments whose keys belong there."""
    manifest = Manifest(topic="ticks", topic_id="T", partitions=3, first_offsets=(0, 0, 0))
    offsets = [0, 0, 0]
    with open_recorder(folder, manifest, CODEC) as recorder:
        for tick in ticks:
            partition = partition_of(b"%d" % tick.instrument_token, 3)
            recorder.write([Record((partition, offsets[partition]), tick)])
            offsets[partition] += 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ticks = walk()
    rows = [
        f"{tick.instrument_token},{tick.event_time:%Y-%m-%dT%H:%M:%S.%fZ},{tick.last_price},"
        f"{tick.last_traded_quantity},{tick.volume_traded}"
        for tick in ticks
    ]
    names = "instrument_token,event_time,last_price,last_traded_quantity,volume_traded"
    (tmp_path / "ticks.csv").write_text("\n".join([names, *rows]) + "\n")
    write_recording(tmp_path / "recording", ticks)
    (tmp_path / "s.yaml").write_text(STRATEGIES)
    (tmp_path / "odd.yaml").write_text(ONLY_ODD)
    (tmp_path / "odd_strategy.py").write_text(ODD)
    return tmp_path


def replaying(folder: Path, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return processes.replaying(
        folder,
        *arguments,
        PANDA_PROCESSORS='{"odd": "odd_strategy.create_processor"}',
        PANDA_QUARANTINE_AFTER="3",
        PANDA_PAPER_SLIPPAGE="2 bps",
    )


def said_of_strategies(stderr: str) -> list[str]:
    """Not in order: processes do not wait for one another to say something."""
    return sorted(line for line in stderr.splitlines() if line.startswith("strategy "))


@pytest.mark.parametrize("source", ["ticks.csv", "recording"])
def test_one_process_and_several_leave_the_same_to_the_byte(folder: Path, source: str) -> None:
    found: list[object] = []
    for jobs in ("1", "2", "3"):
        options = ("--strategies", "s.yaml", "--output", jobs, "--jobs", jobs)
        with replaying(folder, source, *options) as process:
            stdout, stderr = process.communicate(timeout=120)
            assert process.returncode == 0, stderr
            assert eventually(lambda pid=process.pid: in_session(pid) == [], 10)
        facts = json.loads((folder / jobs / "report.json").read_text())
        assert json.loads(stdout) == facts
        assert facts.pop("seconds") > 0
        assert facts.pop("ticks_per_second") > 0
        files = {path.name: path.read_bytes() for path in (folder / jobs).iterdir()}
        del files["report.json"]
        assert len(files) == 5
        found.append((facts, files, said_of_strategies(stderr)))
    assert found[0] == found[1] == found[2]
    facts = json.loads((folder / "3" / "report.json").read_text())
    assert [sum(one["signals"].values()) > 0 for one in facts["strategies"]] == [True] * 4
    assert [one["orders"] > 0 for one in facts["strategies"]] == [True, True, False, True]
    assert [one["fills"] > 0 for one in facts["strategies"]] == [True, True, False, True]
    assert facts["rejections"]["INVALID_QUANTITY"] > 50
    assert facts["irregular_ticks"].keys() == {"duplicate", "out_of_order"}
    refused, *quarantined = facts["stopped"]
    assert "load_model returned False" in refused["reason"]
    assert [one["instrument_token"] for one in quarantined] == [256, 512, 1024]
    assert "3 failures in a row, the last at" in quarantined[0]["reason"]


def test_it_says_the_same_at_a_pace(folder: Path) -> None:
    options = ("--strategies", "s.yaml", "--to", "2026-01-05T09:35:00")
    found: list[object] = []
    for more in (("--jobs", "1"), ("--jobs", "2", "--speed", "800x")):
        with replaying(folder, "ticks.csv", *options, *more) as process:
            stdout, stderr = process.communicate(timeout=120)
            assert process.returncode == 0, stderr
        found.append(json.loads(stdout)["fingerprint"])
    assert found[0] == found[1]


def test_strategies_are_shut_down_where_they_ran(folder: Path) -> None:
    options = ("--strategies", "odd.yaml", "--jobs", "2", "--to", "2026-01-05T09:17:00")
    with replaying(folder, "ticks.csv", *options) as process:
        stdout, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    seen = [int((folder / f"shut-{token}").read_text()) for token in (256, 512)]
    (strategy,) = json.loads(stdout)["strategies"]
    assert sum(seen) == strategy["signals"]["BUY"] > 0


@pytest.mark.parametrize("to_all", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_whole_report_that_says_it_is_partial(
    folder: Path, number: signal.Signals, to_all: bool
) -> None:
    options = ("--strategies", "odd.yaml", "--jobs", "2", "--speed", "50x", "--output", "out")
    with replaying(folder, "ticks.csv", *options) as process:
        assert process.stderr is not None
        assert "ticks, " in (said := process.stderr.readline()), said
        if to_all:  # as a terminal does
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 128 + number, stderr
        assert "Traceback" not in stderr
        assert eventually(lambda: in_session(process.pid) == [], 10)
    found = json.loads(stdout)
    assert found["outcome"] == "partial"
    assert 0 < found["ticks"] < TICKS
    assert json.loads((folder / "out" / "report.json").read_text()) == found
    signals = pq.read_table(folder / "out" / "signals.parquet").num_rows
    assert signals == sum(found["strategies"][0]["signals"].values()) > 0


def hanging(folder: Path) -> list[int]:
    """Processes whose strategies do not come back."""
    return [int(path.name.removeprefix("hangs-")) for path in folder.glob("hangs-*")]


HANGING = ("ticks.csv", "--strategies", "odd.yaml", "--set", "does=hang", "--jobs", "2")


def test_a_strategy_that_hangs_does_not_keep_anyone_from_stopping(folder: Path) -> None:
    with replaying(folder, *HANGING) as process:
        assert eventually(lambda: len(hanging(folder)) == 2)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
        assert process.returncode == 130, stderr
        assert eventually(lambda: in_session(process.pid) == [], 10)
    assert json.loads(stdout)["outcome"] == "partial"


def test_a_second_ctrl_c_waits_for_nobody(folder: Path) -> None:
    with replaying(folder, *HANGING) as process:
        assert eventually(lambda: len(hanging(folder)) == 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # it has two seconds for strategies to come back
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert eventually(lambda: in_session(process.pid) == [], 10)


def test_a_worker_that_is_killed_ends_it_with_one_line(folder: Path) -> None:
    with replaying(folder, *HANGING, "--output", "out") as process:
        assert eventually(lambda: len(hanging(folder)) == 2)
        os.kill(hanging(folder)[0], signal.SIGKILL)
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (1, ""), stderr
        assert stderr.startswith("error: a worker process ended before the replay did")
        assert stderr.count("\n") == 1
        assert eventually(lambda: in_session(process.pid) == [], 10)
    assert list((folder / "out").glob("*.parquet")) == []


def test_nothing_is_left_where_the_command_itself_is_killed(folder: Path) -> None:
    with replaying(folder, *HANGING) as process:
        assert eventually(lambda: len(hanging(folder)) == 2)
        process.kill()
        assert eventually(lambda: in_session(process.pid) == [])
