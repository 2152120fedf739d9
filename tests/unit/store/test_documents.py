import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.store.documents import canonical, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e16", 10**16),
        ("1.5e300", 15 * 10**299),
        ("10.50e1", 105.0),
        ("-0.0", 0.0),
        ("30.0", 30.0),
        ("1e-7", 1e-7),
        ('{"a": [null, true, "é"]}', {"a": [None, True, "é"]}),
    ],
)
def test_numbers_are_read_as_jsonb_keeps_them(text: str, value: object) -> None:
    assert repr(parse(text)) == repr(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("NaN", "NaN is not a number"),
        ("[-Infinity]", "-Infinity is not a number"),
        (r'{"a": ["\u0000"]}', r"U\+0000"),
        (r'{"\u0000": 1}', r"U\+0000"),
        (r'"\ud800"', "surrogate"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_what_not_every_database_keeps_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


@given(st.dictionaries(st.text("abc"), st.floats(allow_nan=False, allow_infinity=False)))
def test_what_is_canonical_stays_so(parameters: dict[str, float]) -> None:
    once = canonical(parameters)
    assert json.dumps(canonical(once)) == json.dumps(once)
