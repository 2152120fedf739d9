"""The fetcher on a client that reads logs in memory: which records it gives, and when it fails."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import pytest
from confluent_kafka import KafkaError as ClientError
from confluent_kafka import TopicPartition

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.streaming import fetcher
from algo_panda.streaming.fetcher import Batch, Fetcher, OffsetLostError
from algo_panda.streaming.owned import Ownership

END, MOST_CALLS = ClientError._PARTITION_EOF, 50


class Record(NamedTuple):
    """A record or an error, as the client gives it."""

    at: int
    problem: ClientError | None = None

    def topic(self) -> str:
        return "ticks"

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def error(self) -> ClientError | None:
        return self.problem


def error(code: int, at: int = 0) -> Record:
    return Record(at, ClientError(code, "a reason"))


class FakeConsumer:
    """Gives the records of one partition from where it is assigned."""

    log: list[Record]
    early = 0
    """Records from before the position that it gives as well."""
    before: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, _config: object) -> None:
        self._left: deque[Record] = deque()

    def list_topics(self, _topic: str, _timeout: float) -> None:
        pass

    def assign(self, places: list[TopicPartition]) -> None:
        (place,) = places
        first = place.offset - self.early
        self._left = deque(record for record in self.log if record.problem or record.at >= first)

    def poll(self, _seconds: float) -> Record | None:
        return self._left.popleft() if self._left else None

    def consume(self, most: int, _seconds: float) -> list[Record]:
        self.before()
        return [self._left.popleft() for _ in range(min(most, len(self._left)))]

    def close(self) -> None:
        pass


class FakeOwned:
    """A partition, as far as fetching goes."""

    partition = 0

    def __init__(self, at: int) -> None:
        self.at = at

    def start_fetching(self) -> Mapping[str, int]:
        return {"ticks": self.at}


def on_log(
    monkeypatch: pytest.MonkeyPatch,
    log: list[Record],
    test: Callable[[Fetcher, Ownership], Coroutine[Any, Any, None]],
    *,
    at: int = 0,
    early: int = 0,
    before: Callable[[], object] = lambda: None,
) -> None:
    monkeypatch.setattr(fetcher, "Consumer", FakeConsumer)
    monkeypatch.setattr(FakeConsumer, "log", log, raising=False)
    monkeypatch.setattr(FakeConsumer, "early", early)
    monkeypatch.setattr(FakeConsumer, "before", staticmethod(before))

    async def run() -> None:
        fetching = Fetcher(connection=KafkaConnection("unused:1"), max_batch=500)
        ownership = Ownership()
        ownership.add([FakeOwned(at)])  # type: ignore[list-item]
        try:
            await test(fetching, ownership)
        finally:
            fetching.close()

    asyncio.run(run())


async def all_of(fetching: Fetcher, ownership: Ownership, end: int) -> list[Batch]:
    """Fetch up to a position; the calls are bounded, because a lost record would never come."""
    found: list[Batch] = []
    for _ in range(MOST_CALLS):
        if found and found[-1].next_offset >= end:
            break
        found += await fetching.fetch(ownership)
    return found


def offsets(batches: list[Batch]) -> list[int]:
    return [message.offset() or 0 for batch in batches for message in batch.messages]


@pytest.mark.parametrize("early", [0, 1, 7])
def test_records_from_before_the_position_are_left_out_and_no_other(monkeypatch, early: int):
    async def test(fetching: Fetcher, ownership: Ownership) -> None:
        assert offsets(await all_of(fetching, ownership, 20)) == list(range(8, 20))

    on_log(monkeypatch, [Record(n) for n in range(20)], test, at=8, early=early)


@pytest.mark.parametrize(
    ("log", "end"),
    [
        ([Record(0), Record(1), error(END, 4)], 4),
        ([error(END, 4)], 4),
        ([Record(0), error(END, 1), Record(3), error(END, 6)], 6),
    ],
    ids=["behind records", "nothing but markers", "between and behind"],
)
def test_a_position_goes_on_behind_markers(monkeypatch, log: list[Record], end: int):
    async def test(fetching: Fetcher, ownership: Ownership) -> None:
        batches = await all_of(fetching, ownership, end)
        assert batches[-1].next_offset == end
        assert offsets(batches) == [record.at for record in log if record.problem is None]

    on_log(monkeypatch, log, test)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ClientError._AUTO_OFFSET_RESET, OffsetLostError),
        (ClientError._LOG_TRUNCATION, OffsetLostError),
        (ClientError.OFFSET_OUT_OF_RANGE, OffsetLostError),
        (ClientError.TOPIC_AUTHORIZATION_FAILED, KafkaError),
        (ClientError.UNKNOWN_TOPIC_OR_PART, KafkaError),
        (ClientError._AUTHENTICATION, KafkaError),
        (ClientError.KAFKA_STORAGE_ERROR, KafkaError),
    ],
)
def test_an_error_of_the_client_is_raised_and_not_passed_over(
    monkeypatch, code: int, kind: type[KafkaError]
):
    async def test(fetching: Fetcher, ownership: Ownership) -> None:
        with pytest.raises(KafkaError, match=r"ticks\[0\].*a reason") as caught:
            await all_of(fetching, ownership, 3)
        assert type(caught.value) is kind

    on_log(monkeypatch, [Record(0), error(code), Record(1), Record(2)], test)


def test_what_a_cancelled_call_took_is_read_again(monkeypatch):
    entered, go = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        assert go.wait(60)

    async def test(fetching: Fetcher, ownership: Ownership) -> None:
        before = ownership.generation
        cancelled = asyncio.ensure_future(fetching.fetch(ownership))
        assert await asyncio.to_thread(entered.wait, 60)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert cancelled.cancelled()
        go.set()
        batches = await all_of(fetching, ownership, 5)
        assert offsets(batches) == [0, 1, 2, 3, 4]
        assert ownership.generation > before  # whoever holds batches of before drops them

    on_log(monkeypatch, [Record(n) for n in range(5)], test, before=wait)
