"""A recording holds what was on the topic, to the byte, and goes on where it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from app.domain.errors import ConfigurationError
from app.domain.market import MarketTick
from app.replay import recorder as recorder_module
from app.replay import recording as recording_module
from app.replay.recorder import open_recorder, record
from app.replay.recording import Manifest, Recording, RecordingError, files
from app.replay.ticks import TickColumns, Unusable
from app.wire.codecs import load_codecs

CODEC = load_codecs().ticks
MANIFEST = Manifest(topic="ticks", topic_id="T", partitions=2)
NOW_MS = 1_790_000_000_000


@dataclass(frozen=True)
class Record:
    """As the client library gives it."""

    at: tuple[int, int]
    key_: bytes | None
    value_: bytes | None
    time: tuple[int, int] = (1, NOW_MS)
    headers_: list[tuple[str, bytes | None]] | None = None

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def key(self) -> bytes | None:
        return self.key_

    def value(self) -> bytes | None:
        return self.value_

    def timestamp(self) -> tuple[int, int]:
        return self.time

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.headers_


def tick(n: int) -> MarketTick:
    return MarketTick(1001, NOW_MS * 1_000 + n, 10_000_000_000 + n, n, 2 * n, NOW_MS * 1_000)


def of_tick(n: int, partition: int = 0, offset: int | None = None) -> Record:
    where = (partition, n if offset is None else offset)
    return Record(where, b"1001", CODEC.encode(tick(n)))


def write(folder: Path, records: Sequence[Record], manifest: Manifest = MANIFEST) -> None:
    with open_recorder(folder, manifest, CODEC) as recorder:
        recorder.write(records)


def read(folder: Path, partition: int = 0) -> tuple[list[MarketTick], list[int], list[Unusable]]:
    unusable: list[Unusable] = []
    pieces: list[TickColumns] = list(Recording(folder, CODEC).read(partition, unusable.append))
    assert all(map(len, pieces))
    ticks = [tick for piece in pieces for tick in piece.ticks()]
    return ticks, [o for piece in pieces for o in piece.offsets.tolist()], unusable


def test_every_byte_of_every_record_is_kept(tmp_path: Path) -> None:
    given = [
        of_tick(3),
        Record((0, 4), None, b"\x00junk", (0, -1)),
        Record((0, 7), b"", None, (2, 5), [("a", b"\xff"), ("a", None)]),
        Record((0, 8), b"1001", b"", (1, NOW_MS), []),
    ]
    write(tmp_path / "r", given)
    (file,) = files(tmp_path / "r", 0)
    assert file.name == "00000000000000000003.parquet"
    rows = pq.read_table(file).to_pylist()
    found = [
        Record(
            (0, row["offset"]),
            row["key"],
            row["value"],
            (row["timestamp_type"], row["timestamp_ms"]),
            None if row["headers"] is None else [(h["key"], h["value"]) for h in row["headers"]],
        )
        for row in rows
    ]
    assert found == given


def test_ticks_come_back_as_the_runner_reads_them(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(n) for n in range(5)] + [of_tick(9, 1, 0)])
    assert read(tmp_path) == ([tick(n) for n in range(5)], [0, 1, 2, 3, 4], [])
    assert read(tmp_path, 1) == ([tick(9)], [0], [])
    assert Recording(tmp_path, CODEC).count == 6


def test_what_is_no_tick_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    wrong_key = Record((0, 1), b"1002", CODEC.encode(tick(1)))
    write(tmp_path, [of_tick(0), wrong_key, Record((0, 2), b"1001", b"junk"), of_tick(3)])
    ticks, offsets, unusable = read(tmp_path)
    assert (ticks, offsets) == ([tick(0), tick(3)], [0, 3])
    assert [(u.offset, u.code) for u in unusable] == [(1, "KEY_MISMATCH"), (2, "TOO_SHORT")]


def test_what_another_version_decoded_is_decoded_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [of_tick(n) for n in range(3)])
    monkeypatch.setattr(recording_module, "_decoded_by", lambda: b"another")
    monkeypatch.setattr(recording_module, "_FAST", ())  # so it may not be used
    assert read(tmp_path) == ([tick(n) for n in range(3)], [0, 1, 2], [])


def test_it_goes_on_where_it_ended(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0), of_tick(1)])
    with open_recorder(tmp_path, MANIFEST, CODEC) as recorder:
        assert recorder.starts() == {0: 2}
        recorder.write([of_tick(2)])
    assert read(tmp_path)[1] == [0, 1, 2]
    assert len(files(tmp_path, 0)) == 2


def test_files_and_row_groups_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "_ROWS_PER_GROUP", 4)
    monkeypatch.setattr(recorder_module, "_ROWS_PER_FILE", 8)
    with open_recorder(tmp_path, MANIFEST, CODEC) as recorder:
        for n in range(21):
            recorder.write([of_tick(n)])
    found = files(tmp_path, 0)
    assert [int(file.stem) for file in found] == [0, 8, 16]
    assert pq.ParquetFile(found[0]).metadata.num_row_groups == 2
    assert read(tmp_path)[1] == list(range(21))


def test_what_was_not_finished_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0)])
    left = tmp_path / "partition=0" / "00000000000000000001.parquet.part"
    left.write_bytes(b"half of a file")
    write(tmp_path, [of_tick(1)])
    assert read(tmp_path)[1] == [0, 1]
    assert not left.exists()


def test_a_recorder_that_fails_leaves_whole_files_alone(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0)])

    def fail() -> bool:
        raise RuntimeError

    with open_recorder(tmp_path, MANIFEST, CODEC) as recorder, pytest.raises(RuntimeError):
        record(recorder, [[of_tick(1)]], stopped=fail, on_progress=lambda _: None)
    assert read(tmp_path)[1] == [0, 1]


def test_one_records_to_a_folder_at_a_time(tmp_path: Path) -> None:
    with (
        open_recorder(tmp_path, MANIFEST, CODEC),
        pytest.raises(ConfigurationError, match="another process records"),
        open_recorder(tmp_path, MANIFEST, CODEC),
    ):
        pass


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Manifest(topic="ticks", topic_id="U", partitions=2), "created anew"),
        (Manifest(topic="x.ticks", topic_id="T", partitions=2), "of topic ticks with 2"),
    ],
)
def test_another_topic_wants_another_folder(tmp_path: Path, other: Manifest, said: str) -> None:
    write(tmp_path, [of_tick(0)])
    with pytest.raises(RecordingError, match=said):
        write(tmp_path, [of_tick(1)], other)
    assert read(tmp_path)[1] == [0]


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="holds other files"):
        write(tmp_path, [of_tick(0)])
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is no recording"),
        ("{", "not what 'panda record' writes"),
        ('{"topic": 1}', "not what 'panda record' writes"),
        (json.dumps({"topic": "t", "topic_id": "T", "partitions": 1, "format": 99}), "format 99"),
    ],
)
def test_what_is_no_recording_is_said_to_be_none(
    tmp_path: Path, text: str | None, said: str
) -> None:
    if text is not None:
        (tmp_path / "recording.json").write_text(text)
    with pytest.raises(RecordingError, match=said):
        Recording(tmp_path, CODEC)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0)])
    (file,) = files(tmp_path, 0)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(RecordingError, match=f"{file.name} cannot be read"):
        read(tmp_path)
    with (
        open_recorder(tmp_path, MANIFEST, CODEC) as recorder,
        pytest.raises(RecordingError, match=f"{file.name} cannot be read"),
    ):
        recorder.starts()


def test_recording_stops_after_the_batch_at_hand(tmp_path: Path) -> None:
    told: list[int] = []
    with open_recorder(tmp_path, MANIFEST, CODEC) as recorder:
        record(
            recorder,
            ([of_tick(2 * n), of_tick(2 * n + 1)] for n in range(9)),
            stopped=lambda: recorder.records >= 4,
            on_progress=told.append,
        )
    assert told == [2, 4]
    assert read(tmp_path)[1] == [0, 1, 2, 3]
