"""What a checkpoint keeps of the last records processed."""

from hashlib import blake2b

import pytest

from algo_panda.streaming.changelog import Positions
from algo_panda.streaming.marks import MARKS_HEADER, RecordMark, decode_marks
from algo_panda.streaming.operator import StateFormatError
from algo_panda.streaming.owned import OwnedPartition

VALUE = b'{"topics":{"ticks":{"id":"an-id","next_offset":8,"horizon":9}}}'
MARK = RecordMark(7, 1_767_604_500_000, "00ff")


class FakeMessage:
    def __init__(
        self,
        *,
        offset: int = 7,
        key: bytes | None = b"1001",
        value: bytes | None = b"a tick",
        timestamp: int = 1_767_604_500_000,
    ) -> None:
        self._offset, self._key, self._value, self._timestamp = offset, key, value, timestamp

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def timestamp(self) -> tuple[int, int]:
        return 2, self._timestamp


def mark(**fields: object) -> RecordMark:
    return RecordMark.of(FakeMessage(**fields))  # type: ignore[arg-type]


def test_a_mark_is_the_same_for_the_same_record() -> None:
    assert mark() == mark()
    expected = blake2b(b"4:10016:a tick", digest_size=16).hexdigest()
    assert mark() == (7, 1_767_604_500_000, expected)


@pytest.mark.parametrize(
    "other",
    [
        {"offset": 8},
        {"timestamp": 1_767_604_500_001},
        {"key": b"1002"},
        {"key": None},
        {"key": b""},
        {"value": b"another"},
        {"value": None},
        {"key": b"1001a", "value": b" tick"},
    ],
    ids=str,
)
def test_every_part_of_a_record_counts(other: dict[str, object]) -> None:
    assert mark(**other) != mark()


def test_a_missing_part_is_not_an_empty_one() -> None:
    assert mark(key=None) != mark(key=b"")
    assert mark(value=None) != mark(value=b"")


def test_marks_are_beside_the_checkpoint_and_do_not_change_its_value() -> None:
    positions = Positions(
        offsets={"ticks": 8}, horizons={"ticks": 9}, topic_ids={"ticks": "an-id"},
        marks={"ticks": MARK},
    )  # fmt: skip
    assert positions.encode() == VALUE
    headers = positions.headers()
    assert headers == [
        (
            "last-records",
            b'{"ticks":{"offset":7,"timestamp_ms":1767604500000,"digest":"00ff"}}',
        )
    ]
    assert Positions.decode(VALUE, headers) == positions
    assert Positions.decode(VALUE, dict(headers)) == positions


@pytest.mark.parametrize("headers", [None, [], [("other", b"{}")]])
def test_a_checkpoint_of_an_earlier_version_has_none(headers) -> None:
    found = Positions.decode(VALUE, headers)
    assert found.offsets == {"ticks": 8}
    assert found.marks == {}
    assert found.headers() is None


@pytest.mark.parametrize("value", [b"", b"no JSON", b"[1]", b'{"ticks":{"offset":1}}', b"\xff"])
def test_marks_of_an_unknown_form_are_refused(value: bytes) -> None:
    with pytest.raises(StateFormatError, match="header last-records of the checkpoint is invalid"):
        decode_marks([(MARKS_HEADER, value)])


def test_a_topic_without_a_new_record_keeps_the_mark_of_the_former_owner() -> None:
    inputs = ("signals", "executions")
    former = {topic: mark(offset=at) for at, topic in enumerate(inputs)}
    partition = OwnedPartition(
        partition=0,
        operator=None,  # type: ignore[arg-type]
        changelog=None,  # type: ignore[arg-type]
        positions=Positions(
            offsets=dict.fromkeys(inputs, 8),
            horizons=dict.fromkeys(inputs, 8),
            topic_ids=dict.fromkeys(inputs, "an-id"),
            marks=former,
        ),
        sends_ahead=False,
    )
    assert partition.next_positions(last=True).marks == former
    partition.last_records["signals"] = FakeMessage(offset=9)  # type: ignore[assignment]
    expected = {"signals": mark(offset=9), "executions": former["executions"]}
    assert partition.next_positions(last=True).marks == expected
