"""What ``panda replay --verify-live`` prints of gaps."""

import json

import pytest
from rich.console import Console

from algo_panda.cli.verify import _as_object, _show
from algo_panda.replay.live_versions import Gap
from algo_panda.replay.verification import PartitionVerdict

GAP = Gap("00000000-0000-0000-0000-000000000001", "rules_rsi", 1, 2, 90, 120)


def verdicts(*gaps: Gap) -> list[PartitionVerdict]:
    return [
        PartitionVerdict(
            partition=3, ticks=200, signals=7, first_offset=0, end_offset=200, gaps=gaps
        )
    ]


def test_a_gap_is_a_warning_and_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    _show(Console(highlight=False, markup=False, soft_wrap=True), "ticks", verdicts(GAP))
    warning, verdict = capsys.readouterr().out.splitlines()
    assert warning == (
        "warning: strategy 00000000-0000-0000-0000-000000000001 (rules_rsi) did not process offsets"
        " 90 to 119 of partition 3: version 1 ended at 90, version 2 began at 120, and the row was"
        " not disabled"
    )
    assert verdict.startswith("EQUAL: 7 signals of 200 ticks")


def test_gaps_are_part_of_the_json() -> None:
    found = json.loads(json.dumps(_as_object("ticks", verdicts(GAP))))
    assert found["equal"] is True
    assert found["partitions"][0]["gaps"] == [
        {
            "strategy_id": "00000000-0000-0000-0000-000000000001",
            "strategy_type": "rules_rsi",
            "ended_version": 1,
            "begun_version": 2,
            "first_offset": 90,
            "end_offset": 120,
        }
    ]
    assert _as_object("ticks", verdicts())["partitions"][0]["gaps"] == []
