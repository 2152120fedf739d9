"""The command itself: its list of commands, and what it imports for it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import PandaCommands, app

HEAVY = ("pydantic", "rich", "sqlalchemy", "confluent_kafka", "faust", "numpy", "onnxruntime")


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "80"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_is_listed_in_80_columns_with_its_whole_line(option):
    lines = invoke(option).splitlines()
    for name, command in PandaCommands.lazy.items():
        assert [line for line in lines if line.split() == [name, *command.help.split()]]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", PandaCommands.lazy)
def test_every_command_of_the_list_is_there_and_has_help(name):
    assert invoke(name, "-h").startswith(f"Usage: panda {name} ")


def test_help_imports_nothing_heavy():
    code = (
        "import sys, json; sys.argv = ['panda', '--help']\n"
        "from algo_panda.cli.main import main\n"
        "try:\n    main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert "typer" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_the_version_is_an_option_and_a_command():
    assert invoke("--version") == invoke("version")
    assert invoke("version").startswith("0.")
