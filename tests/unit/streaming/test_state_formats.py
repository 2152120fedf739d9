"""Checkpoints and strategy versions of a form that this version does not know are refused."""

import json
from uuid import UUID

import pytest

from algo_panda.domain.config import StrategyConfig
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.operator import StateFormatError
from algo_panda.streaming.operators.versions import decode_configs, encode_configs

TICKS = {"id": "an-id", "next_offset": 7, "horizon": 9}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"topics": {"ticks": TICKS}, "feedback": 1}, "unknown field 'feedback'"),
        ({"topics": {"ticks": {**TICKS, "epoch": 1}}}, "unknown field 'epoch'"),
        ({"topics": {"ticks": {"id": "an-id", "next_offset": 7}}}, "invalid: KeyError: 'horizon'"),
        ({"topics": {"ticks": {**TICKS, "horizon": None}}}, "invalid: TypeError"),
        ({"topics": []}, "invalid: AttributeError"),
        ({}, "invalid: KeyError: 'topics'"),
        ([], "invalid: "),
        ("topics", "invalid: "),
    ],
)
def test_an_unknown_form_of_a_checkpoint_is_refused(value: object, expected: str) -> None:
    with pytest.raises(StateFormatError, match=f"the checkpoint .*{expected}"):
        Positions.decode(json.dumps(value).encode())


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(StateFormatError, match="the checkpoint is invalid: JSONDecodeError"):
        Positions.decode(b"no JSON")
    with pytest.raises(StateFormatError, match="versions are invalid: UnicodeDecodeError"):
        decode_configs(b"\xff")


def test_the_recorded_form_of_a_checkpoint_is_read() -> None:
    found = Positions.decode(b'{"topics":{"ticks":{"id":"an-id","next_offset":7,"horizon":9}}}')

    assert (found.offsets, found.horizons) == ({"ticks": 7}, {"ticks": 9})
    assert found.topic_ids == {"ticks": "an-id"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"leverage": 2}, "unknown field 'leverage'"),
        ({"version": None, "id": 5}, "invalid: AttributeError"),
        ({"instruments": []}, "instruments is empty"),
        ({"parameters": None}, "invalid: TypeError"),
    ],
)
def test_an_unknown_form_of_strategy_versions_is_refused(
    change: dict[str, object], expected: str
) -> None:
    config = StrategyConfig(id=UUID(int=1), strategy_type="rules_rsi", instruments=(1001,))
    (fields,) = json.loads(encode_configs([config]))
    assert decode_configs(json.dumps([fields]).encode()) == (config,)

    with pytest.raises(StateFormatError, match=f"recorded strategy versions .*{expected}"):
        decode_configs(json.dumps([{**fields, **change}]).encode())
