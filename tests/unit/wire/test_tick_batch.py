"""The column-wise reader gives the very ticks that the codec gives, or leaves them to it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.market import MarketTick
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import WireError
from algo_panda.wire.tick_batch import TickBatchReader
from algo_panda.wire.values import EARLIEST_US, LATEST_US, RAW_LIMIT

CODEC = load_codecs().ticks
READER = TickBatchReader(load_catalogue().newest("ticks").id)
NOW_MS = 1_790_000_000_000
LARGE = 2**55 - 1
INT64 = 2**63 - 1

ticks = st.builds(
    MarketTick,
    instrument_token=st.integers(-LARGE, LARGE),
    event_time_us=st.integers(EARLIEST_US, NOW_MS * 1_000),
    price_raw=st.integers(1, RAW_LIMIT - 1),
    last_traded_quantity=st.integers(0, LARGE),
    volume_traded=st.integers(0, LARGE),
)
timestamps = st.sampled_from([0, -1, NOW_MS, NOW_MS + 12_345])


def decoded(values: list[bytes], times: list[int]) -> list[MarketTick] | None:
    try:
        return [CODEC.decode(value, time) for value, time in zip(values, times, strict=True)]
    except WireError:
        return None


@given(st.lists(st.tuples(ticks, timestamps), min_size=1, max_size=40))
def test_good_ticks_are_read_as_the_codec_reads_them(given_: list[tuple[MarketTick, int]]) -> None:
    values = [CODEC.encode(tick) for tick, _ in given_]
    times = [time for _, time in given_]
    assert READER.read(values, times) == decoded(values, times) is not None


@given(st.integers(-INT64 - 1, INT64), st.integers(0, INT64))
def test_numbers_of_64_bits_are_read_alike_or_left_alone(token: int, volume: int) -> None:
    values = [CODEC.encode(MarketTick(token, EARLIEST_US, 1, 0, volume))]
    found = READER.read(values, [0])
    assert found in (None, decoded(values, [0]))


@given(
    st.lists(ticks, min_size=1, max_size=6),
    st.data(),
)
def test_bytes_that_were_tampered_with_are_read_alike_or_left_alone(
    good: list[MarketTick], data: st.DataObject
) -> None:
    values = [CODEC.encode(tick) for tick in good]
    at = data.draw(st.integers(0, len(values) - 1))
    value = bytearray(values[at])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(value)))
        action = data.draw(st.sampled_from(["change", "insert", "cut"]))
        if action == "insert":
            value.insert(place, data.draw(st.integers(0, 255)))
        elif action == "cut":
            del value[place:]
        elif place < len(value):
            value[place] = data.draw(st.integers(0, 255))
    values[at] = bytes(value)
    times = [NOW_MS] * len(values)
    found = READER.read(values, times)
    if found is not None:
        assert found == decoded(values, times)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_alike_or_left_alone(value: bytes) -> None:
    for candidate in (value, CODEC.encode(MarketTick(1, EARLIEST_US, 1))[:5] + value):
        found = READER.read([candidate], [0])
        if found is not None:
            assert found == decoded([candidate], [0])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v[:-1],
        lambda v: v + b"\0",
        lambda v: b"",
        lambda v: v[:4],
        lambda v: v[:5],
        lambda v: b"\1" + v[1:],
        lambda v: v + v,
    ],
)
def test_one_bad_record_leaves_the_batch_to_the_codec(spoil: Callable[[bytes], bytes]) -> None:
    good = [CODEC.encode(MarketTick(n, EARLIEST_US + n, 100 + n)) for n in range(1, 5)]
    assert READER.read(good, [0] * 4) is not None
    for at in range(4):
        values = list(good)
        values[at] = spoil(values[at])
        assert READER.read(values, [0] * 4) is None


@pytest.mark.parametrize(
    "tick",
    [
        MarketTick(1, EARLIEST_US - 1, 1),
        MarketTick(1, LATEST_US + 1, 1),
        MarketTick(1, EARLIEST_US, 0),
        MarketTick(1, EARLIEST_US, -5),
        MarketTick(1, EARLIEST_US, RAW_LIMIT),
        MarketTick(1, EARLIEST_US, 1, -1),
        MarketTick(1, EARLIEST_US, 1, 0, -1),
    ],
)
def test_what_the_codec_refuses_is_left_to_it(tick: MarketTick) -> None:
    from io import BytesIO

    from algo_panda.wire.edge import compiled, write_record
    from algo_panda.wire.framing import header
    from algo_panda.wire.reader import bare
    from algo_panda.wire.values import raw_to_bytes

    newest = load_catalogue().newest("ticks")
    buffer = BytesIO()
    buffer.write(header(newest.id))
    write_record(
        buffer,
        compiled(bare(newest.schema)),
        {
            "instrument_token": tick.instrument_token,
            "event_time": tick.event_time_us,
            "last_price": raw_to_bytes(tick.price_raw),
            "last_traded_quantity": tick.last_traded_quantity,
            "volume_traded": tick.volume_traded,
        },
    )
    assert decoded([buffer.getvalue()], [0]) is None
    assert READER.read([buffer.getvalue()], [0]) is None


@given(
    st.lists(ticks, min_size=70, max_size=90),
    st.dictionaries(st.integers(0, 69), st.sampled_from([None, b"", b"x", b"\0" * 9]), max_size=3),
)
def test_many_are_decoded_as_each_by_itself(
    good: list[MarketTick], bad: dict[int, bytes | None]
) -> None:
    values: list[bytes | None] = [CODEC.encode(tick) for tick in good]
    for at, value in bad.items():
        values[at] = value
    found = CODEC.decode_many(values, [NOW_MS] * len(values))
    assert len(found) == len(values)
    for at, (value, outcome) in enumerate(zip(values, found, strict=True)):
        if at in bad:
            assert isinstance(outcome, WireError)
        else:
            assert outcome == CODEC.decode(value, NOW_MS)
