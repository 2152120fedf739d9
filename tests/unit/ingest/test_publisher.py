import time
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException

from algo_panda.domain.errors import BadInputError, KafkaError
from algo_panda.domain.market import MarketTick
from algo_panda.ingest.outcome import BadRowError, BrokenSourceError, Counts, DeliveryError
from algo_panda.ingest.pace import EventTimePace, FixedRate, Pace
from algo_panda.ingest.publisher import Publisher
from algo_panda.ingest.source import BadRow, LocatedTick, Origin, Row, UnreadableSourceError

ORIGIN = Origin(file="ticks.csv", unit="line")
SECOND = 1_000_000


class FakeClock:
    """Time passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.on_sleep: Callable[[], None] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        assert seconds > 0
        self.now += seconds
        self.on_sleep()


class FakeProducer:
    """A queue that a broker empties while it is polled; it refuses some records for good."""

    def __init__(
        self, *, room: int = 1_000_000, acknowledges: int = 1_000_000, refuses: tuple[int, ...] = ()
    ) -> None:
        self.records: list[tuple[str, bytes, bytes, int]] = []
        self.delivered: list[tuple[str, bytes, bytes, int]] = []
        self.fatal_at = -1
        self._room = room
        self._acknowledges = acknowledges
        self._refuses = refuses
        self._queue: deque[tuple[int, Callable[..., None]]] = deque()

    def produce(self, topic, value, key, *, on_delivery, timestamp) -> None:
        if len(self.records) == self.fatal_at:
            raise KafkaException(ClientError(ClientError._FATAL, "fenced"))
        if len(self._queue) >= self._room:
            raise BufferError
        self._queue.append((len(self.records), on_delivery))
        self.records.append((topic, value, key, timestamp))

    def poll(self, timeout: float) -> int:
        for _ in range(min(self._acknowledges, len(self._queue))):
            number, on_delivery = self._queue.popleft()
            if number in self._refuses:
                on_delivery(ClientError(ClientError._MSG_TIMED_OUT, "timed out"), None)
            else:
                self.delivered.append(self.records[number])
        return 0

    def flush(self, timeout: float) -> int:
        self.poll(timeout)
        return len(self._queue)

    def __len__(self) -> int:
        return len(self._queue)


def good(number: int, time_us: int = 0) -> LocatedTick:
    return LocatedTick(MarketTick(1001, time_us or number, number), number, ORIGIN)


def bad(number: int) -> BadRow:
    return BadRow(where=ORIGIN.at(number), reason="last_price is absent", raw="")


def good_rows(count: int) -> list[Row]:
    return [good(number) for number in range(1, count + 1)]


def encode(tick: MarketTick) -> bytes:
    return b"%d" % tick.price_raw


def publisher(producer: FakeProducer, clock: FakeClock | None = None, **options) -> Publisher:
    return Publisher(
        producer=producer, topic="ticks", encode=encode, clock=clock or FakeClock(), **options
    )


def test_every_tick_is_sent_in_order_under_its_token() -> None:
    producer = FakeProducer()
    published = publisher(producer).publish(good_rows(3))
    assert producer.records == [
        ("ticks", b"1", b"1001", 0),
        ("ticks", b"2", b"1001", 0),
        ("ticks", b"3", b"1001", 0),
    ]
    assert published.counts == Counts(sent=3, acknowledged=3, seconds=0.0)
    assert not published.stopped


def test_nothing_to_send_is_no_failure() -> None:
    assert publisher(FakeProducer()).publish([]).counts == Counts()


def test_event_timestamps_are_milliseconds_of_event_time() -> None:
    producer = FakeProducer()
    publisher(producer, event_timestamps=True).publish([good(1, 1_381_132_830_270_999)])
    assert producer.records[0][3] == 1_381_132_830_270


def test_a_full_queue_is_waited_for() -> None:
    producer = FakeProducer(room=3, acknowledges=1)
    published = publisher(producer).publish(good_rows(20))
    assert published.counts.acknowledged == 20
    assert producer.delivered == producer.records


def test_a_bad_row_stops_the_run_before_anything_behind_it_is_sent() -> None:
    producer = FakeProducer(acknowledges=1)
    with pytest.raises(BadRowError) as error:
        publisher(producer).publish([good(2), good(3), bad(4), good(5)])
    assert str(error.value) == (
        "ticks.csv, line 4: last_price is absent. Stopped there: all 2 ticks before it are "
        "acknowledged, none after it was sent"
    )
    assert error.value.exit_code == BadInputError.exit_code
    assert error.value.counts == Counts(sent=2, acknowledged=2)
    assert len(producer.delivered) == len(producer.records) == 2


def test_bad_rows_go_to_whoever_takes_them_and_the_run_goes_on() -> None:
    producer, taken = FakeProducer(), []
    rows = [bad(1), good(2), bad(3), bad(4), good(5)]
    published = publisher(producer, on_bad_row=taken.append).publish(rows)
    assert published.counts == Counts(sent=2, acknowledged=2, rejected=3)
    assert taken == [rows[0], rows[2], rows[3]]


def test_a_source_that_breaks_off_leaves_nothing_unanswered() -> None:
    def rows() -> Iterator[Row]:
        yield from good_rows(5)
        raise UnreadableSourceError("ticks.csv.gz breaks off")

    producer = FakeProducer(acknowledges=1)
    with pytest.raises(BrokenSourceError, match="all 5 ticks before it are acknowledged") as error:
        publisher(producer).publish(rows())
    assert error.value.exit_code == BadInputError.exit_code
    assert error.value.counts.acknowledged == 5


def test_an_unforeseen_failure_leaves_nothing_unanswered_either() -> None:
    def rows() -> Iterator[Row]:
        yield from good_rows(5)
        raise KeyboardInterrupt

    producer = FakeProducer(acknowledges=1)
    with pytest.raises(KeyboardInterrupt):
        publisher(producer).publish(rows())
    assert len(producer.delivered) == 5


def test_a_record_that_is_not_acknowledged_makes_the_run_fail() -> None:
    producer = FakeProducer(refuses=(1, 2))
    with pytest.raises(DeliveryError) as error:
        publisher(producer).publish(good_rows(10))
    assert str(error.value) == (
        "2 of 10 ticks sent to ticks were not acknowledged (timed out); the other 8 were"
    )
    assert error.value.exit_code == KafkaError.exit_code
    assert error.value.counts == Counts(sent=10, acknowledged=8, failed=2)


def test_after_a_failed_delivery_nothing_more_is_sent() -> None:
    producer = FakeProducer(refuses=(0,))
    with pytest.raises(DeliveryError) as error:
        publisher(producer).publish(good_rows(100_000))
    assert error.value.counts.sent == len(producer.records) == 1_024


def test_a_producer_that_is_done_for_makes_the_run_fail() -> None:
    producer = FakeProducer()
    producer.fatal_at = 3
    with pytest.raises(DeliveryError, match=r"1 of 4 .* \(fenced\); the other 3 were"):
        publisher(producer).publish(good_rows(10))


def test_a_failed_delivery_counts_for_more_than_the_bad_row_that_stopped_the_run() -> None:
    with pytest.raises(DeliveryError, match="1 of 2 ticks"):
        publisher(FakeProducer(refuses=(0,))).publish([good(1), good(2), bad(3)])


def test_stopping_ends_the_run_with_everything_sent_answered() -> None:
    producer = FakeProducer(acknowledges=1)
    running = publisher(producer)

    def rows() -> Iterator[Row]:
        for row in good_rows(100):
            if row.where.number == 8:
                running.stop()
            yield row

    published = running.publish(rows())
    assert published.stopped
    assert published.counts == Counts(sent=7, acknowledged=7)
    assert len(producer.delivered) == 7


def test_stopping_is_heard_while_the_queue_is_full() -> None:
    producer = FakeProducer(room=5, acknowledges=0)
    running = publisher(producer)
    polls = 0

    def poll(timeout: float) -> int:
        nonlocal polls
        polls += 1
        if polls == 3:
            running.stop()
            producer._acknowledges = 5
        return FakeProducer.poll(producer, timeout)

    producer.poll = poll
    published = running.publish(good_rows(100))
    assert published.stopped
    assert published.counts == Counts(sent=5, acknowledged=5)


def test_no_more_are_sent_than_the_limit_and_no_more_are_read() -> None:
    producer, rows = FakeProducer(), iter([good(1), bad(2), good(3), good(4)])
    published = publisher(producer, limit=2, on_bad_row=lambda _: None).publish(rows)
    assert published.counts == Counts(sent=2, acknowledged=2, rejected=1)
    assert not published.stopped
    assert next(rows) == good(4)


def send_times(pace: Pace, rows: list[Row], *, delay: float = 0.0) -> list[float]:
    """Seconds after the start at which each tick is sent, where each send takes ``delay``."""
    clock, producer = FakeClock(), FakeProducer()
    times: list[float] = []

    def slow_encode(tick: MarketTick) -> bytes:
        times.append(clock.now - 100.0)
        clock.now += delay
        return encode(tick)

    Publisher(producer=producer, topic="ticks", encode=slow_encode, clock=clock, pace=pace).publish(
        rows
    )
    return times


def test_a_fixed_rate_is_kept() -> None:
    times = send_times(FixedRate(ticks_per_second=4), good_rows(9))
    assert times == pytest.approx([number / 4 for number in range(9)])


def test_delays_do_not_add_up_to_drift() -> None:
    times = send_times(FixedRate(ticks_per_second=10), good_rows(101), delay=0.09)
    assert times[100] == pytest.approx(10.0)


def test_what_was_late_is_made_good_at_once() -> None:
    times = send_times(FixedRate(ticks_per_second=1), good_rows(4), delay=1.5)
    assert times == pytest.approx([0, 1.5, 3.0, 4.5])


def test_event_time_is_followed_at_its_speed() -> None:
    start = 1_381_132_830 * SECOND
    rows: list[Row] = [
        good(1, start),
        good(2, start + 10 * SECOND),
        good(3, start + 5 * SECOND),
        good(4, start - SECOND),
        good(5, start + 3600 * SECOND),
    ]
    assert send_times(EventTimePace(speed=1), rows) == pytest.approx([0, 10, 10, 10, 3600])
    assert send_times(EventTimePace(speed=10), rows) == pytest.approx([0, 1, 1, 1, 360])


def test_stopping_is_heard_while_waiting_for_a_tick_to_be_due() -> None:
    clock, producer = FakeClock(), FakeProducer()
    running = publisher(producer, clock, pace=EventTimePace(speed=1))
    clock.on_sleep = lambda: running.stop() if clock.now > 105 else None
    published = running.publish([good(1, SECOND), good(2, SECOND * 3600)])
    assert published.stopped
    assert published.counts.sent == 1
    assert published.counts.seconds < 6


def test_progress_is_reported_a_few_times_a_second_and_at_the_end() -> None:
    clock, producer = FakeClock(), FakeProducer()
    seen: list[Counts] = []
    publisher(
        producer, clock, pace=FixedRate(ticks_per_second=100), on_progress=seen.append
    ).publish(good_rows(1_000))
    assert 30 < len(seen) < 60
    assert seen[-1].acknowledged == 1_000
    assert [counts.sent for counts in seen] == sorted(counts.sent for counts in seen)


def test_the_module_time_is_a_clock() -> None:
    started = time.monotonic()
    published = Publisher(
        producer=FakeProducer(),
        topic="ticks",
        encode=encode,
        clock=time,
        pace=FixedRate(ticks_per_second=100),
    ).publish(good_rows(11))
    assert 0.1 <= published.counts.seconds <= time.monotonic() - started
    assert published.counts.ticks_per_second == pytest.approx(11 / published.counts.seconds)
