"""A recording holds what was on the topic, to the byte, and goes on where it ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from algo_panda.bootstrap import recording as bootstrap_module
from algo_panda.bootstrap.recording import LostRecordsError, _check_kept, _check_same
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.replay import recorder as recorder_module
from algo_panda.replay import recording as recording_module
from algo_panda.replay.recorder import Recorder, open_recorder, record
from algo_panda.replay.recording import LastRecord, Manifest, Recording, RecordingError, files
from algo_panda.replay.ticks import TickColumns, Unusable
from algo_panda.wire.catalogue import SchemaError
from algo_panda.wire.codecs import load_codecs

CODEC = load_codecs().ticks
MANIFEST = Manifest(topic="ticks", topic_id="T", partitions=2, first_offsets=(0, 5))
NOW_MS = 1_790_000_000_000


GOOD = {"topic": "t", "topic_id": "T", "partitions": 2, "first_offsets": [0, 0], "format": 1}


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
        assert recorder.starts() == {0: 2, 1: 5}
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
        (replace(MANIFEST, topic_id="U"), "created anew"),
        (replace(MANIFEST, topic="x.ticks"), "of topic ticks with 2"),
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
        (json.dumps({"format": 99}), "format 99"),
        ("[1]", "not what 'panda record' writes"),
        *(
            (json.dumps({**GOOD, name: value}), "not what 'panda record' writes")
            for name, value in (
                ("partitions", "2"),
                ("partitions", -1),
                ("partitions", True),
                ("partitions", 3),
                ("first_offsets", [0, None]),
                ("first_offsets", None),
                ("topic", 1),
            )
        ),
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


class Registry:
    """A decoder whose schema registry is down for one value."""

    def __init__(self) -> None:
        self.is_down = True

    def decode_columns(self, values: Sequence[bytes | None], times: Sequence[int], /) -> object:
        if self.is_down and b"unknown" in values:
            raise SchemaError("the registry does not answer")
        return CODEC.decode_columns(values, times)

    def decode_many(self, values: Sequence[bytes | None], times: Sequence[int], /) -> object:
        return CODEC.decode_many(values, times)


def test_what_could_not_be_written_leaves_no_file_and_comes_again(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0)])
    registry = Registry()
    records = [of_tick(1), Record((0, 2), b"1001", b"unknown"), of_tick(3)]
    with pytest.raises(SchemaError), open_recorder(tmp_path, MANIFEST, registry) as recorder:
        recorder.write(records)
    assert len(list((tmp_path / "partition=0").iterdir())) == 1
    registry.is_down = False
    with open_recorder(tmp_path, MANIFEST, registry) as recorder:
        assert recorder.starts() == {0: 1, 1: 5}
        recorder.write(records)
    assert read(tmp_path)[1] == [0, 1, 3]


def test_rows_are_written_once_though_writing_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = pq.ParquetWriter.write_table

    def interrupted(*arguments: object, **options: object) -> None:
        written(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(pq.ParquetWriter, "write_table", interrupted)
    monkeypatch.setattr(recorder_module, "_ROWS_PER_GROUP", 2)
    with (
        pytest.raises(KeyboardInterrupt),
        open_recorder(tmp_path, MANIFEST, CODEC) as recorder,
    ):
        recorder.write([of_tick(0), of_tick(1)])
    monkeypatch.undo()
    write(tmp_path, [of_tick(0), of_tick(1)])
    assert read(tmp_path)[1] == [0, 1]


def test_a_quiet_topic_is_on_disk_after_some_minutes(tmp_path: Path) -> None:
    now = [0.0]
    MANIFEST.write(tmp_path)
    recorder = Recorder(tmp_path, MANIFEST, CODEC, clock=lambda: now[0])
    recorder.write([of_tick(0)])
    now[0] = 599.0
    recorder.write([of_tick(1)])
    assert read(tmp_path)[1] == []
    now[0] = 600.0
    recorder.write([])
    assert read(tmp_path)[1] == [0, 1]
    recorder.write([of_tick(2)])
    recorder.close()
    assert read(tmp_path)[1] == [0, 1, 2]


def test_a_file_in_the_place_of_a_folder_is_one_clear_line(tmp_path: Path) -> None:
    MANIFEST.write(tmp_path)
    (tmp_path / "partition=0").write_text("mine")
    with pytest.raises(ConfigurationError, match="cannot record to"):
        write(tmp_path, [of_tick(0)])
    with pytest.raises(RecordingError, match="partition=0 cannot be read"):
        read(tmp_path)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    write(tmp_path, [of_tick(0)])
    pq.write_table(pa.table({"a": [1]}), tmp_path / "partition=0" / "9.parquet")
    with pytest.raises(RecordingError, match=r"9\.parquet is no file of a recording"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("start", "kept", "end", "said"),
    [
        (10, 15, 20, "retention has removed the records between"),
        (10, 0, 9, "the broker has lost records"),
        (10, 10, 10, None),
        (10, 0, 20, None),
    ],
)
def test_a_recording_has_to_join_on_to_its_topic(
    start: int, kept: int, end: int, said: str | None
) -> None:
    where = ("ticks", 0)
    given = (Path("r"), {where: start}, {where: kept}, {where: end})
    if said is None:
        _check_kept(*given)
        return
    with pytest.raises(LostRecordsError, match=said):
        _check_kept(*given)


@pytest.mark.parametrize("groups", [1, 3])
def test_the_last_record_of_each_partition_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: int
) -> None:
    monkeypatch.setattr(recorder_module, "_ROWS_PER_GROUP", 9 // groups)
    odd = replace(of_tick(8), key_=None, value_=b"no tick", time=(2, NOW_MS + 5))
    write(tmp_path, [*map(of_tick, range(8)), odd])
    with open_recorder(tmp_path, MANIFEST, CODEC) as recorder:
        assert recorder.last_records() == {0: (8, NOW_MS + 5, None, b"no tick")}


@pytest.mark.parametrize(
    ("held", "is_same"),
    [
        ([of_tick(8)], True),
        ([], False),
        ([replace(of_tick(8), value_=b"another")], False),
        ([replace(of_tick(8), key_=b"1002")], False),
        ([replace(of_tick(8), time=(1, NOW_MS + 1))], False),
    ],
    ids=["the same", "none", "another value", "another key", "another time"],
)
def test_a_recording_does_not_go_on_behind_a_record_that_is_another_one_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: list[Record], is_same: bool
) -> None:
    monkeypatch.setattr(bootstrap_module, "records", lambda *_: iter(held))
    last = LastRecord(8, NOW_MS, b"1001", CODEC.encode(tick(8)))
    connection = KafkaConnection("unused:1")
    if is_same:
        _check_same(tmp_path, connection, ("ticks", 0), last)
    else:
        with pytest.raises(LostRecordsError, match=r"ticks\[0\] holds another record at offset 8"):
            _check_same(tmp_path, connection, ("ticks", 0), last)
