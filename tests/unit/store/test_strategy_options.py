from pathlib import Path

import pytest
import typer

from algo_panda.cli.strategy_options import brokers_of, instruments_of, parameters_of
from algo_panda.domain.errors import BadInputError


def test_lists_are_separated_by_commas() -> None:
    assert instruments_of("1001, 1002") == (1001, 1002)
    assert brokers_of("paper, zerodha") == ("paper", "zerodha")


@pytest.mark.parametrize("text", ["", "1001,", "x", "1.5"])
def test_instruments_are_whole_numbers(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not of the form 1001,1002"):
        instruments_of(text)


def test_a_broker_has_a_name() -> None:
    with pytest.raises(typer.BadParameter, match="not of the form paper,zerodha"):
        brokers_of("paper,,zerodha")


def test_values_are_json_and_words_need_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"period": 14, "lower": 30}')
    assignments = [
        "lower=25.5",
        "trigger=cross",
        "model_path=/models/a=b.onnx",
        'name="14"',
        'validation={"band": 0.1}',
        "flag=true",
        "empty=",
    ]
    assert parameters_of(file, assignments) == {
        "period": 14,
        "lower": 25.5,
        "trigger": "cross",
        "model_path": "/models/a=b.onnx",
        "name": "14",
        "validation": {"band": 0.1},
        "flag": True,
        "empty": "",
    }


@pytest.mark.parametrize(
    ("assignment", "reason"),
    [
        ("period", "'period' is not key=value"),
        ("=14", "'=14' is not key=value"),
        ("validation={band", "the value of validation is not JSON"),
    ],
)
def test_a_malformed_assignment_is_refused(assignment: str, reason: str) -> None:
    with pytest.raises(typer.BadParameter, match=reason):
        parameters_of(None, [assignment])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"period": 14,\n"lower" 3}', "is not JSON: .* line 2"),
        (b"[14]", "is not a JSON object"),
        (b"\xff", "is not text in UTF-8"),
    ],
)
def test_a_bad_file_is_named_with_the_place(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_bytes(content)
    with pytest.raises(BadInputError, match=f"{file} {reason}"):
        parameters_of(file, [])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="cannot be read: No such file"):
        parameters_of(tmp_path / "nowhere.json", [])
