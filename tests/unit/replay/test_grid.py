"""The values of a sweep are those that were written, exactly, in the order they were written."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.cli.strategy_options import parameters_of, value_of
from algo_panda.replay.grid import MOST_COMBINATIONS, Axis, Grid, GridError


def read(name: str, text: str) -> Any:
    return value_of(name, text, "--sweep")


def values(text: str) -> tuple[Any, ...]:
    return Axis.parse(text, read).values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p=7..28:7", (7, 14, 21, 28)),
        ("p=7..30:7", (7, 14, 21, 28)),
        ("p=3..5", (3, 4, 5)),
        ("p=-1..1", (-1, 0, 1)),
        ("p=5..5", (5,)),
        ("p=20,30", (20, 30)),
        ("p=30,20", (30, 20)),
        ("p=1..3,10", (1, 2, 3, 10)),
        ("p=0.1..0.5:0.2", (0.1, 0.3, 0.5)),
        ("p=29.5..30.5:0.5", (29.5, 30, 30.5)),
        ("p=cross,every", ("cross", "every")),
        ("p=true,false,null", (True, False, None)),
        ("p=1,true", (1, True)),
        ("p=a.onnx,../b.onnx", ("a.onnx", "../b.onnx")),
        ('p=[{"a": 1}, {"a": 2}]', ({"a": 1}, {"a": 2})),
        ('p={"a": 1, "b": 2}', ({"a": 1, "b": 2},)),
    ],
)
def test_values_are_read_as_they_are_written(text: str, wanted: tuple[Any, ...]) -> None:
    found = values(text)
    assert found == wanted
    assert list(map(type, found)) == list(map(type, wanted))


@given(
    st.decimals(-1_000, 1_000, places=3),
    st.decimals("0.001", 50, places=3),
    st.integers(0, 40),
)
def test_a_range_is_the_list_of_its_steps_written_one_by_one(
    start: Decimal, step: Decimal, steps: int
) -> None:
    written = [start + step * n for n in range(steps + 1)]
    found = values(f"p={start:f}..{written[-1]:f}:{step:f}")
    assert found == tuple(parameters_of(None, [f"p={number:f}"])["p"] for number in written)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p", "write it as period=7..28:7"),
        ("=1", "write it as"),
        ("p=", "write it as"),
        ("p=1,,2", "a value is empty"),
        ("p=1..2:0", "above 0"),
        ("p=1..2:-1", "above 0"),
        ("p=3..1", "3 is above 1"),
        ("p=0.1..0.5", "in what steps"),
        ("p=1...5", "1...5 is no range"),
        ("p=1..5:", "is no range"),
        ("p=7,7", "7 is in it twice"),
        ("p=5..7,6", "6 is in it twice"),
        ("p=1,1.0", "1 is in it twice"),
        ("p=[]", "there is no value"),
        ("p=1..10001", "10,001 values, and at most 10,000"),
        ("p=0..1:0.0000000000001", "at most 10,000"),
    ],
)
def test_what_is_no_axis_is_refused(text: str, said: str) -> None:
    with pytest.raises(GridError) as refused:
        values(text)
    assert said in str(refused.value)


axes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(
    lambda lengths: tuple(
        Axis(name=f"p{n}", values=tuple(range(length))) for n, length in enumerate(lengths)
    )
)


@given(axes)
def test_every_combination_is_there_once_and_the_last_axis_changes_fastest(
    given_axes: tuple[Axis, ...],
) -> None:
    grid = Grid(axes=given_axes)
    found = [tuple(one.parameters.values()) for one in grid]
    assert found == sorted(set(found))
    assert len(found) == len(grid)
    assert [one.number for one in grid] == list(range(1, len(grid) + 1))


def test_a_grid_is_not_larger_than_anyone_would_wait_for() -> None:
    wide = tuple(Axis(name=name, values=tuple(range(101))) for name in "ab")
    with pytest.raises(GridError, match=f"10,201 combinations, and at most {MOST_COMBINATIONS:,}"):
        Grid(axes=wide)


def test_a_parameter_is_swept_once() -> None:
    with pytest.raises(GridError, match="names a more than once"):
        Grid(axes=(Axis(name="a", values=(1,)), Axis(name="a", values=(2,))))
