"""Ticks that must not be believed, and bytes that are none."""

import contextlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import PRICE_PRECISION
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import (
    InvalidPriceError,
    InvalidQuantityError,
    InvalidTimeError,
    TooShortError,
    TrailingBytesError,
    UndecodableError,
    UnencodableError,
    UnknownSchemaIdError,
    WireError,
    WrongMagicByteError,
    WrongSchemaError,
)
from algo_panda.wire.framing import HEADER_SIZE, header

CODECS = load_codecs()
CODEC = CODECS.ticks
CATALOGUE = load_catalogue()
VERSION = CATALOGUE.newest("ticks")
MOMENT = datetime(2013, 10, 7, 13, 30, 1, 123456, tzinfo=UTC)
ARRIVED_MS = int((MOMENT + timedelta(seconds=1)).timestamp() * 1000)
TICK = MarketTick.of(
    instrument_token=408065,
    event_time=MOMENT,
    last_price="184.32",
    last_traded_quantity=100,
    volume_traded=1234567,
)
GOOD = CODEC.encode(TICK)


def written(**changes: Any) -> bytes:
    """A tick as another program might write it: no checks."""
    fields = {
        "instrument_token": 408065,
        "event_time": TICK.event_time_us,
        "last_price": TICK.last_price,
        "last_traded_quantity": 100,
        "volume_traded": 1234567,
    }
    buffer = BytesIO()
    buffer.write(header(VERSION.id))
    fastavro.schemaless_writer(buffer, VERSION.schema, {**fields, **changes})
    return buffer.getvalue()


def at(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_a_tick_is_whole_numbers_and_gets_its_received_time_from_the_record():
    tick = CODEC.decode(GOOD, ARRIVED_MS)
    assert tick == TICK._replace(received_time_us=ARRIVED_MS * 1000)
    assert type(tick) is MarketTick
    assert {type(number) for number in tick} == {int}


@pytest.mark.parametrize("unknown", [0, -1])
def test_an_unknown_arrival_leaves_the_received_time_unknown(unknown: int):
    assert CODEC.decode(GOOD, unknown) == TICK


@pytest.mark.parametrize(
    ("value", "error", "code"),
    [
        (None, TooShortError, "TOO_SHORT"),
        (b"", TooShortError, "TOO_SHORT"),
        (GOOD[: HEADER_SIZE - 1], TooShortError, "TOO_SHORT"),
        (b"\x01" + GOOD[1:], WrongMagicByteError, "WRONG_MAGIC_BYTE"),
        (b'{"last_price": 1}', WrongMagicByteError, "WRONG_MAGIC_BYTE"),
        (header(7) + GOOD[HEADER_SIZE:], UnknownSchemaIdError, "UNKNOWN_SCHEMA_ID"),
        (GOOD[:-1], UndecodableError, "UNDECODABLE"),
        (GOOD[:HEADER_SIZE], UndecodableError, "UNDECODABLE"),
        (GOOD + b"\x00", TrailingBytesError, "TRAILING_BYTES"),
        (GOOD + GOOD, TrailingBytesError, "TRAILING_BYTES"),
        (written(last_price=b""), InvalidPriceError, "INVALID_PRICE"),
        (written(last_price=b"\xff"), InvalidPriceError, "INVALID_PRICE"),
        (written(last_price=b"\x01" + bytes(8)), InvalidPriceError, "INVALID_PRICE"),
        (written(last_price=b"\x7f" + bytes(9000)), InvalidPriceError, "INVALID_PRICE"),
        (written(last_price=b"\x80" + bytes(9000)), InvalidPriceError, "INVALID_PRICE"),
        (written(last_traded_quantity=-1), InvalidQuantityError, "INVALID_QUANTITY"),
        (written(volume_traded=-1), InvalidQuantityError, "INVALID_QUANTITY"),
        (written(event_time=0), InvalidTimeError, "INVALID_TIME"),
        (written(event_time=-(2**63)), InvalidTimeError, "INVALID_TIME"),
        (written(event_time=2**63 - 1), InvalidTimeError, "INVALID_TIME"),
    ],
)
def test_each_kind_of_bad_tick_has_its_own_code(
    value: bytes | None, error: type[WireError], code: str
):
    for arrived in (0, ARRIVED_MS):
        with pytest.raises(error) as caught:
            CODEC.decode(value, arrived)
        assert type(caught.value) is error
        assert caught.value.code == code
        assert len(str(caught.value)) < 300


def test_the_codes_are_all_different():
    codes = [kind.code for kind in WireError.__subclasses__()]
    assert len(set(codes)) == len(codes)


def test_a_record_of_another_topic_is_of_the_wrong_schema():
    other = CATALOGUE.newest("control")
    with pytest.raises(WrongSchemaError, match="ControlEvent is not record MarketTick") as caught:
        CODEC.decode(header(other.id) + GOOD[HEADER_SIZE:])
    assert caught.value.code == "WRONG_SCHEMA"


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (datetime(1990, 1, 1, tzinfo=UTC), True),
        (datetime(1990, 1, 1, tzinfo=UTC) - timedelta(microseconds=1), False),
        (datetime.fromtimestamp(ARRIVED_MS / 1000, UTC) + timedelta(days=1), True),
        (
            datetime.fromtimestamp(ARRIVED_MS / 1000, UTC) + timedelta(days=1, microseconds=1),
            False,
        ),
    ],
)
def test_times_are_from_1990_to_a_day_after_arrival(moment: datetime, good: bool):
    value = written(event_time=at(moment))
    if good:
        assert CODEC.decode(value, ARRIVED_MS).event_time == moment
    else:
        with pytest.raises(InvalidTimeError):
            CODEC.decode(value, ARRIVED_MS)


def test_the_last_moment_that_a_datetime_holds_is_the_latest_of_all():
    last = at(datetime.max.replace(tzinfo=UTC))
    assert CODEC.decode(written(event_time=last)).event_time == datetime.max.replace(tzinfo=UTC)
    with pytest.raises(InvalidTimeError):
        CODEC.decode(written(event_time=last + 1))


@pytest.mark.parametrize(
    "change",
    [
        {"price_raw": 0},
        {"price_raw": -1},
        {"price_raw": 10**PRICE_PRECISION},
        {"event_time_us": 0},
        {"event_time_us": 2**62},
        {"last_traded_quantity": -1},
        {"volume_traded": -1},
    ],
)
def test_a_tick_that_could_not_be_read_back_is_not_written(change: dict[str, int]):
    with pytest.raises(WireError):
        CODEC.encode(TICK._replace(**change))


@pytest.mark.parametrize("change", [{"instrument_token": 2**63}, {"volume_traded": 2**63}])
def test_a_number_beyond_64_bits_is_unencodable(change: dict[str, int]):
    with pytest.raises(UnencodableError):
        CODEC.encode(TICK._replace(**change))


@given(st.binary(max_size=60), st.integers(0, 60))
def test_no_bytes_raise_anything_but_a_wire_error(noise: bytes, kept: int):
    for value in (noise, GOOD[:kept] + noise, noise[:kept] + GOOD):
        with contextlib.suppress(WireError):
            tick = CODEC.decode(value, ARRIVED_MS)
            assert CODEC.decode(CODEC.encode(tick), ARRIVED_MS) == tick


@given(st.sampled_from(sorted(CODECS.by_topic)), st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_wire_error_on_any_topic(topic: str, noise: bytes):
    codec = CODECS.by_topic[topic]
    with contextlib.suppress(WireError):
        record = codec.decode(header(CATALOGUE.newest(topic).id) + noise)
        assert codec.decode(codec.encode(record)) == record
