import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.wire.dead_letter import (
    HEADER_NAMES,
    DeadLetter,
    NotADeadLetterError,
    parse_dead_letter,
)
from algo_panda.wire.errors import InvalidPriceError

headers = st.lists(
    st.tuples(st.text(max_size=10) | st.sampled_from(HEADER_NAMES), st.none() | st.binary()),
    max_size=4,
).map(tuple)
letters = st.builds(
    DeadLetter,
    topic=st.text(max_size=20),
    partition=st.integers(0, 1000),
    offset=st.integers(0, 2**63 - 1),
    timestamp_ms=st.integers(0, 2**62),
    key=st.none() | st.binary(),
    value=st.none() | st.binary(),
    headers=headers,
    error_code=st.text(max_size=20),
    error_message=st.text(max_size=100),
    app_version=st.text(max_size=10),
)


@given(letters)
def test_a_dead_letter_is_read_back_whatever_headers_the_record_had(letter: DeadLetter):
    again = parse_dead_letter(key=letter.key, value=letter.value, headers=letter.to_headers())
    assert again == letter


@given(letters)
def test_the_record_s_own_headers_stay_first_and_as_they_were(letter: DeadLetter):
    written = letter.to_headers()
    assert tuple(written[: len(letter.headers)]) == letter.headers
    assert tuple(name for name, _ in written[len(letter.headers) :]) == HEADER_NAMES


def test_a_letter_says_what_was_wrong():
    letter = DeadLetter.of(
        InvalidPriceError("the price 0 is not above 0"),
        topic="ticks",
        partition=3,
        offset=42,
        timestamp_ms=1_381_152_601_123,
        key=b"408065",
        value=b"junk",
        headers=[("traceparent", b"00-1")],
        app_version="0.1.0",
    )
    assert letter.to_headers() == [
        ("traceparent", b"00-1"),
        ("panda.dlq.topic", b"ticks"),
        ("panda.dlq.partition", b"3"),
        ("panda.dlq.offset", b"42"),
        ("panda.dlq.timestamp", b"1381152601123"),
        ("panda.dlq.error.code", b"INVALID_PRICE"),
        ("panda.dlq.error.message", b"the price 0 is not above 0"),
        ("panda.dlq.app.version", b"0.1.0"),
    ]


def test_a_long_message_is_cut_so_that_the_letter_fits_its_topic():
    letter = DeadLetter.of(
        InvalidPriceError("x" * 100_000),
        topic="ticks",
        partition=0,
        offset=0,
        timestamp_ms=-1,
        key=None,
        value=None,
        headers=(),
        app_version="0.1.0",
    )
    assert len(letter.error_message) == 1000
    assert letter.timestamp_ms == 0


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        (None, "no headers that say where"),
        ([], "no headers that say where"),
        ([("panda.dlq.topic", b"ticks")], "no headers that say where"),
        (
            [(name, b"x") for name in HEADER_NAMES],
            "the header panda.dlq.partition is 'x', no number",
        ),
    ],
)
def test_a_record_that_is_no_dead_letter_is_refused(headers, complaint: str):
    with pytest.raises(NotADeadLetterError, match=complaint):
        parse_dead_letter(key=None, value=None, headers=headers)
