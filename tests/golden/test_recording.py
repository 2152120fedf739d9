"""A replay of a recording of an earlier version gives what it gave then."""

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.replay import recording
from tests.support.golden import FOLDER, Golden

Replay = Callable[[], dict[str, Any]]


@pytest.fixture
def replay(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> Replay:
    monkeypatch.chdir(golden.fixture)
    monkeypatch.syspath_prepend(str(FOLDER))
    for name, value in golden.settings.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> dict[str, Any]:
        given = ["replay", "recording", "--strategies", "strategies.yaml", "--json", *arguments]
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def recorded_part(found: Any, recorded: Any) -> Any:
    """``found`` without what reports of the recorded version do not have."""
    if isinstance(found, dict) and isinstance(recorded, dict):
        return {k: recorded_part(found[k], v) for k, v in recorded.items() if k in found}
    if isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        return [recorded_part(*pair) for pair in zip(found, recorded, strict=True)]
    return found


def test_a_recording_gives_the_recorded_fingerprint_and_results(
    golden: Golden, replay: Replay
) -> None:
    recorded = golden.json("report.json")
    found = replay()

    assert found["fingerprint"] == recorded["fingerprint"]
    assert recorded_part(found, recorded) == recorded


def test_so_it_does_where_its_ticks_are_decoded_again(
    golden: Golden, replay: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_decoded_by", lambda: b"a later version")

    assert replay()["fingerprint"] == golden.json("report.json")["fingerprint"]


def test_the_recording_is_of_all_ticks_and_of_a_record_that_is_none(golden: Golden) -> None:
    recorded = golden.json("report.json")
    assert recorded["ticks"] == 2_000
    assert recorded["unusable_records"] == {"WRONG_MAGIC_BYTE": 1}
    strategies = recorded["strategies"]
    with_signals = {row["strategy_type"] for row in strategies if any(row["signals"].values())}
    built_in = {"rules_rsi", "ml_momentum", "hybrid_ml_rsi_filter"}
    assert with_signals == {*built_in, "counter", "breakout"}


def test_a_recording_of_a_later_format_is_refused_with_instructions(golden: Golden) -> None:
    folder = golden.folder / "recording"
    folder.mkdir()
    manifest = golden.json("recording/recording.json")
    (folder / "recording.json").write_text(json.dumps({**manifest, "format": 97}))
    shutil.copy(golden.fixture / "strategies.yaml", golden.folder)

    done = golden.panda("replay", "recording", "--strategies", "strategies.yaml")
    assert done.returncode == 6
    assert "is of format 97" in done.stderr
    assert "use the version of algo-panda that recorded it" in done.stderr
    assert "Traceback" not in done.stderr
