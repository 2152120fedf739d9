"""What checkpoints are made of comes back as it was."""

from io import SEEK_END, BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.brokers.paper.venue import OpenOrder
from algo_panda.domain.market import MarketTick
from algo_panda.domain.recent_ids import IdSegment, SegmentChanges
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from algo_panda.runner.state import InstrumentRecord, Mark, StrategyRecord
from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.operator import StateRecord, latest
from algo_panda.streaming.state_codec import (
    RUNNER_CHANGELOG,
    InstrumentRecordCodec,
    PaperStateCodec,
    RiskStateCodec,
    RouterStateCodec,
    SeenIds,
    seen_records,
)
from algo_panda.wire.catalogue import SchemaVersion, load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.edge import compiled, write_record
from algo_panda.wire.framing import header
from algo_panda.wire.reader import bare
from tests.unit.fakes.values import ORDER as ORDER_AT_VENUE

CATALOGUE = load_catalogue()
LONG = st.integers(-(2**63), 2**63 - 1)
TOKEN = st.integers(1, 2**40)
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)

STRATEGY = st.builds(
    StrategyRecord,
    strategy_id=TEXT,
    version=LONG,
    digest=TEXT,
    ticks_seen=LONG,
    failures=LONG,
    quarantine_reason=st.none() | TEXT,
    bars=st.none() | st.binary(max_size=50),
    processor=st.none() | st.binary(max_size=200),
    marks=st.lists(st.builds(Mark, LONG, st.none() | st.binary(max_size=50)), max_size=2).map(
        tuple
    ),
    cold_since=st.none() | LONG,
)
LEDGER = st.builds(
    LedgerRecord,
    strategy_id=TEXT,
    instrument_token=TOKEN,
    tick_topic_id=TEXT,
    tick_offset=LONG,
    positions=st.dictionaries(TEXT, LONG, max_size=4),
)
SEEN = st.builds(
    SeenIds, TEXT, st.builds(IdSegment, LONG, LONG, st.lists(TEXT, max_size=5).map(tuple))
)
ORDER = st.builds(
    WorkingOrder,
    client_order_id=TEXT,
    strategy_id=TEXT,
    instrument_token=TOKEN,
    account=TEXT,
    remaining=LONG,
    approved_us=LONG,
    is_acknowledged=st.booleans(),
)


@st.composite
def instruments(draw: st.DrawFn) -> InstrumentRecord:
    token = draw(TOKEN)
    ticks = st.builds(MarketTick, st.just(token), LONG, LONG, LONG, LONG, LONG)
    return InstrumentRecord(
        instrument_token=token,
        last_offset=draw(LONG),
        history=tuple(draw(st.lists(ticks, max_size=5))),
        strategies=tuple(draw(st.lists(STRATEGY, max_size=3))),
        last_tick=draw(st.none() | ticks),
        newest_event_time_us=draw(LONG),
    )


def written(version: SchemaVersion, record: InstrumentRecord) -> bytes:
    """By fastavro, which leaves out what the version does not know."""
    last = record.last_tick
    fields = {
        "instrument_token": record.instrument_token,
        "last_offset": record.last_offset,
        "history": [past_tick(tick) for tick in record.history],
        "strategies": [
            {**state._asdict(), "marks": [mark._asdict() for mark in state.marks]}
            for state in record.strategies
        ],
        "last_tick": [] if last is None else [past_tick(last)],
        "newest_event_time": record.newest_event_time_us,
    }
    buffer = BytesIO(header(version.id))
    buffer.seek(0, SEEK_END)
    write_record(buffer, compiled(bare(version.schema)), fields)
    return buffer.getvalue()


def past_tick(tick: MarketTick) -> dict[str, int]:
    return {
        "event_time": tick.event_time_us,
        "price": tick.price_raw,
        "last_traded_quantity": tick.last_traded_quantity,
        "volume_traded": tick.volume_traded,
        "received_time": tick.received_time_us,
    }


@given(instruments())
def test_an_instrument_comes_back_as_it_was(record: InstrumentRecord) -> None:
    codec = InstrumentRecordCodec(CATALOGUE)
    assert codec.decode(codec.encode(record)) == record


@given(instruments())
def test_an_instrument_is_written_as_the_avro_library_writes_it(record: InstrumentRecord) -> None:
    newest = CATALOGUE.newest(RUNNER_CHANGELOG)
    assert InstrumentRecordCodec(CATALOGUE).encode(record) == written(newest, record)


def test_a_strategy_of_another_version_or_configuration_is_not_taken_for_the_one_before() -> None:
    codec = InstrumentRecordCodec(CATALOGUE)
    first = StrategyRecord(
        strategy_id="s",
        version=1,
        digest="d",
        ticks_seen=3,
        failures=0,
        quarantine_reason=None,
        bars=None,
        processor=None,
    )
    for state in (first, first._replace(version=2), first._replace(digest="e"), first):
        record = InstrumentRecord(1001, 7, (), (state,))
        assert codec.decode(codec.encode(record)) == record


def test_a_number_that_no_64_bits_hold_is_refused() -> None:
    with pytest.raises(OverflowError):
        InstrumentRecordCodec(CATALOGUE).encode(InstrumentRecord(1001, 2**63, (), ()))


def test_a_record_of_the_first_version_is_read_as_one_that_knows_less() -> None:
    first, second = CATALOGUE.by_topic[RUNNER_CHANGELOG]
    assert (first.version, second.version) == (1, 2)
    codec = InstrumentRecordCodec(CATALOGUE)
    known = InstrumentRecord(
        instrument_token=1001,
        last_offset=7,
        history=(MarketTick(1001, 5, 6, 7, 8, 9),),
        strategies=(
            StrategyRecord(
                strategy_id="s",
                version=1,
                digest="d",
                ticks_seen=3,
                failures=0,
                quarantine_reason=None,
                bars=None,
                processor=b"p",
            ),
        ),
    )
    assert codec.decode(written(first, known)) == known


@given(LEDGER | ORDER | SEEN)
def test_what_risk_knows_comes_back_as_it_was(
    record: LedgerRecord | WorkingOrder | SeenIds,
) -> None:
    codec = RiskStateCodec(CATALOGUE)
    assert codec.decode(codec.encode(record)) == record


@given(SEEN)
def test_seen_ids_come_back_as_they_were(record: SeenIds) -> None:
    router = RouterStateCodec(CATALOGUE)
    assert router.decode(router.encode(record)) == record
    paper = PaperStateCodec(CATALOGUE, load_codecs().paper_orders)
    assert paper.decode(paper.encode(record)) == record


def test_an_open_order_comes_back_with_what_was_filled_and_reported_of_it() -> None:
    codec = PaperStateCodec(CATALOGUE, load_codecs().paper_orders)
    for one in (OpenOrder(ORDER_AT_VENUE), OpenOrder(ORDER_AT_VENUE, 4, 3, 402 * 10**8)):
        found = codec.decode(codec.encode(one))
        assert isinstance(found, OpenOrder)
        assert found == one
        assert found._fields == ("order", "filled", "events", "notional_raw")


def test_a_changed_segment_is_written_under_its_number_and_an_expired_one_deleted() -> None:
    codec = RouterStateCodec(CATALOGUE)
    segment = IdSegment(8, 99, ("A", "B"))
    records = seen_records("orders", SegmentChanges((segment,), (3, 4)), codec.encode)
    assert records == [
        StateRecord(b"seen|orders|8", codec.encode(SeenIds("orders", segment))),
        StateRecord(b"seen|orders|3", None),
        StateRecord(b"seen|orders|4", None),
    ]


@given(st.dictionaries(TEXT, st.tuples(LONG, LONG, TEXT), min_size=1, max_size=3))
def test_positions_come_back_and_know_whether_they_are_settled(
    given_topics: dict[str, tuple[int, int, str]],
) -> None:
    positions = Positions(
        offsets={topic: at for topic, (at, _, _) in given_topics.items()},
        horizons={topic: horizon for topic, (_, horizon, _) in given_topics.items()},
        topic_ids={topic: name for topic, (_, _, name) in given_topics.items()},
    )
    assert Positions.decode(positions.encode()) == positions
    assert positions.is_settled == all(h <= at for at, h, _ in given_topics.values())


def test_the_last_value_of_a_key_stays_and_a_deleted_key_goes() -> None:
    records = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"b", None), (b"c", None)]
    assert latest(StateRecord(*record) for record in records) == {b"a": b"3"}
