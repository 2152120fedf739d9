"""Files of the user that are named as modules of the standard library or of ours.

Every file raises when it is imported, so that a program that imports one fails.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from tests.e2e.test_flow import rising
from tests.support.system import System

pytestmark = [pytest.mark.timeout(1200)]

NAMES = ("app", "queue", "types", "random", "algo_panda", "confluent_kafka", "numpy", "select")
PANDA = str(Path(sys.executable).with_name("panda"))


def hostile(folder: Path) -> Path:
    """Fill a folder with modules that fail on import, and one that is a strategy."""
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"raise SystemExit('imported the user module {name}')\n")
    (folder / "my_strategy.py").write_text(
        "class Silent:\n"
        "    def process_tick(self, tick, history):\n"
        "        return None\n\n\n"
        "def create_processor(parameters):\n"
        "    return Silent()\n"
    )
    return folder


def run(
    folder: Path, command: Sequence[str], *, timeout: float = 60, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize(
    "command", [[PANDA, "version"], [sys.executable, "-P", "-m", "algo_panda", "--version"]]
)
def test_the_command_line_starts(tmp_path: Path, command: list[str]) -> None:
    done = run(hostile(tmp_path), command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.")


def test_a_backtest_in_two_processes_finds_the_users_strategy(tmp_path: Path) -> None:
    folder = hostile(tmp_path)
    lines = [f"{1001 + n % 2},2026-01-05T09:15:{n:02}Z,{100 + n}" for n in range(40)]
    (folder / "ticks.csv").write_text(
        "\n".join(["instrument_token,event_time,last_price", *lines]) + "\n"
    )
    (folder / "strategies.yaml").write_text(
        "strategies:\n"
        "  - {strategy_type: mine, instruments: [1001, 1002]}\n"
        "  - {strategy_type: rules_rsi, instruments: [1001, 1002], parameters: {period: 3}}\n"
    )
    processors = '{"mine": "my_strategy.create_processor"}'
    arguments = ["replay", "ticks.csv", "--strategies", "strategies.yaml", "--json", "--jobs"]
    results = [
        run(folder, [PANDA, *arguments, jobs], PANDA_PROCESSORS=processors) for jobs in ("1", "2")
    ]
    assert [done.returncode for done in results] == [0, 0], results[-1].stderr
    one, two = (json.loads(done.stdout) for done in results)
    assert one["fingerprint"] == two["fingerprint"]
    assert one["ticks"] == 40


def test_strategies_may_be_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "mine").mkdir()
    hostile(tmp_path / "mine")
    work = hostile(tmp_path / "work")
    (work / "my_strategy.py").write_text("raise SystemExit('not from the working directory')\n")
    arguments = [PANDA, "strategies", "add", "mine", "--instruments", "1001"]
    settings = {
        "PANDA_DATABASE_URL": f"sqlite:///{tmp_path / 'panda.db'}",
        "PANDA_PROCESSORS": '{"mine": "my_strategy.create_processor"}',
        "PANDA_STRATEGIES_PATH": str(tmp_path / "mine"),
    }
    assert run(work, [PANDA, "db", "upgrade"], **settings).returncode == 0
    added = run(work, arguments, **settings)
    assert added.returncode == 0, added.stderr


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("queue", "the standard library"),
        ("types", "the standard library"),
        ("numpy", "an installed package"),
    ],
)
def test_a_module_that_another_hides_is_an_error_that_says_so(
    tmp_path: Path, name: str, owner: str
) -> None:
    done = run(
        hostile(tmp_path),
        [PANDA, "strategies", "add", "mine", "--instruments", "1001"],
        PANDA_DATABASE_URL=f"sqlite:///{tmp_path / 'panda.db'}",
        PANDA_PROCESSORS=json.dumps({"mine": f"{name}.create_processor"}),
    )
    assert done.returncode == 3
    assert f"{tmp_path / name}.py is hidden by the module {name} of {owner}" in done.stderr
    assert "rename your module" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        [PANDA, "strategies", "add", "mine", "--instruments", "1001"],
        PANDA_STRATEGIES_PATH=str(tmp_path / "nowhere"),
    )
    assert done.returncode == 3
    assert f"PANDA_STRATEGIES_PATH: {tmp_path / 'nowhere'} is not a folder" in done.stderr


@pytest.mark.broker
def test_workers_and_readers_run(system: System) -> None:
    hostile(system.folder)
    system.add(
        StrategyConfig(
            id=UUID(int=1),
            strategy_type="rules_rsi",
            instruments=(1001,),
            parameters={"period": 3},
        )
    )
    published = system.publish(rising(1001, 30))
    system.start("runner", args=("--workers", "2"), env={"PANDA_METRICS_PORT": ""})
    system.start("risk", "router", "paper")
    system.wait_until_settled(published)
    expected = len(system.values("signals"))
    assert expected > 0

    # The script of a user: Python itself puts its folder first. There the name of this package is
    # the user's own, as with any package.
    (system.folder / "algo_panda.py").unlink()
    for group, imports in (
        ("one", "from algo_panda import SignalConsumer"),
        ("two", "from algo_panda.consumer import SignalConsumer"),
    ):
        script = system.folder / f"reader_{group}.py"
        script.write_text(
            f"{imports}\n"
            f"options = {{'group': '{group}', 'from_beginning': True, 'until_end': True}}\n"
            "with SignalConsumer(**options) as signals:\n"
            "    print(sum(1 for _ in signals))\n"
        )
        done = run(system.folder, [sys.executable, str(script)], **system.environment.variables)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == str(expected)


@pytest.mark.broker
def test_the_demo_runs(tmp_path: Path) -> None:
    # Its broker has a guard process, and its workers are processes, too.
    done = run(
        hostile(tmp_path),
        [PANDA, "demo", "--json", "--count", "2000", "--rate", "4000"],
        timeout=200,
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ticks_processed"] == 2_000


def test_a_module_in_a_folder_named_like_a_package_is_an_error_that_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml" / "mine.py").write_text("def create_processor(parameters): ...\n")
    done = run(
        tmp_path,
        [PANDA, "strategies", "add", "mine", "--instruments", "1001"],
        PANDA_DATABASE_URL=f"sqlite:///{tmp_path / 'panda.db'}",
        PANDA_PROCESSORS='{"mine": "yaml.mine.create_processor"}',
    )
    assert done.returncode == 3
    assert f"{tmp_path / 'yaml' / 'mine.py'} is hidden by the module yaml.mine" in done.stderr


def test_a_module_that_is_not_found_is_an_error_that_says_where_it_was_searched(
    tmp_path: Path,
) -> None:
    done = run(
        tmp_path,
        [PANDA, "strategies", "add", "mine", "--instruments", "1001"],
        PANDA_DATABASE_URL=f"sqlite:///{tmp_path / 'panda.db'}",
        PANDA_PROCESSORS='{"mine": "nowhere.create_processor"}',
    )
    assert done.returncode == 3
    assert f"modules of yours are searched in {tmp_path} (PANDA_STRATEGIES_PATH)" in done.stderr


@pytest.mark.parametrize("command", [[PANDA], [sys.executable, "-m", "algo_panda"]])
def test_the_strategies_path_comes_before_the_working_directory(
    tmp_path: Path, command: list[str]
) -> None:
    for folder, text in (("here", "raise SystemExit('the wrong one')\n"), ("there", "")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(
            f"{text}class Silent:\n    def process_tick(self, tick, history): ...\n\n\n"
            "def create_processor(parameters): return Silent()\n"
        )
    settings = {
        "PANDA_DATABASE_URL": f"sqlite:///{tmp_path / 'panda.db'}",
        "PANDA_PROCESSORS": '{"mine": "mine.create_processor"}',
        "PANDA_STRATEGIES_PATH": str(tmp_path / "there"),
    }
    assert run(tmp_path / "here", [*command, "db", "upgrade"], **settings).returncode == 0
    added = run(
        tmp_path / "here", [*command, "strategies", "add", "mine", "--instruments", "1"], **settings
    )
    assert added.returncode == 0, added.stderr


def test_a_working_directory_that_was_removed_gives_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = run(
        tmp_path,
        ["sh", "-c", f"cd gone && rmdir ../gone && '{PANDA}' strategies list"],
        PANDA_DATABASE_URL=f"sqlite:///{tmp_path / 'panda.db'}",
        PANDA_PROCESSORS='{"mine": "mine.create_processor"}',
    )
    assert "Traceback" not in done.stderr
