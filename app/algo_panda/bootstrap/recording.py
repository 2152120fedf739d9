"""Puts the recorder together with the topic that it reads."""

import contextlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from algo_panda.bootstrap.codecs import codecs_of
from algo_panda.domain.errors import BadInputError
from algo_panda.kafka.admin import Partition, connect, end_offsets, start_offsets, topic_ids
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.dev_broker import kafka_connection
from algo_panda.kafka.reading import Ends, batches, records
from algo_panda.replay.recorder import Recorder, open_recorder, record
from algo_panda.replay.recording import LastRecord, Manifest
from algo_panda.settings import Settings


class LostRecordsError(BadInputError):
    """The topic no longer keeps what comes next in a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recording about to go on."""

    topic: str
    """Its name on the broker."""
    connection: KafkaConnection
    starts: Mapping[Partition, int]
    ends: Mapping[Partition, int]
    follow: bool
    recorder: Recorder

    @property
    def waiting(self) -> int:
        """How many records there are to write."""
        return sum(self.ends[where] - start for where, start in self.starts.items())

    @property
    def records(self) -> int:
        """How many have been written."""
        return self.recorder.records

    def run(self, *, stopped: Callable[[], bool], on_progress: Callable[[int], None]) -> None:
        """Write until the topic's end of when it was opened, or until ``stopped``.

        Raises:
            KafkaError: the topic cannot be read.
        """
        starts = self.starts
        if not self.follow:
            starts = {where: at for where, at in starts.items() if at < self.ends[where]}
            if not starts:
                return
        ends = None if self.follow else Ends(self.ends)
        record(
            self.recorder,
            batches(self.connection, starts, ends),
            stopped=stopped,
            on_progress=on_progress,
        )


@contextlib.contextmanager
def open_recording(settings: Settings, folder: Path, *, follow: bool) -> Generator[Recording]:
    """Go on with the recording of ``ticks`` in ``folder``, or begin it.

    Raises:
        KafkaError: no broker, or no such topic.
        ConfigurationError: the folder cannot be used.
        LostRecordsError: records behind those recorded are no longer on the topic, or it holds
            others in the place of recorded ones.
    """
    connection = kafka_connection(settings)
    topic = settings.topic("ticks")
    admin = connect(connection)
    topic_id = topic_ids(admin, [topic])[topic]
    kept, ends = start_offsets(admin, [topic]), end_offsets(admin, [topic])
    manifest = Manifest(
        topic=topic,
        topic_id=topic_id,
        partitions=len(ends),
        first_offsets=tuple(kept[topic, number] for number in range(len(ends))),
    )
    decoder = codecs_of(settings).ticks
    with open_recorder(folder, manifest, decoder) as recorder:
        starts = {(topic, number): at for number, at in recorder.starts().items()}
        _check_kept(folder, starts, kept, ends)
        for number, last in recorder.last_records().items():
            if last.offset >= kept[topic, number]:
                _check_same(folder, connection, (topic, number), last)
        yield Recording(
            topic=topic,
            connection=connection,
            starts=starts,
            ends=ends,
            follow=follow,
            recorder=recorder,
        )


def _check_kept(
    folder: Path,
    starts: Mapping[Partition, int],
    kept: Mapping[Partition, int],
    ends: Mapping[Partition, int],
) -> None:
    for where, next_one in starts.items():
        topic, number = where
        if next_one > ends[where]:
            raise LostRecordsError(
                f"{folder} continues at offset {next_one} of {topic}[{number}], and the topic ends "
                f"at offset {ends[where]}: the broker has lost records that are recorded. Record "
                "to another folder"
            )
        if next_one < kept[where]:
            raise LostRecordsError(
                f"{folder} ends before offset {next_one} of {topic}[{number}], and the topic now "
                f"begins at offset {kept[where]}: retention has removed the records between. "
                "Record to another folder, and record more often than the topic's retention"
            )


def _check_same(
    folder: Path, connection: KafkaConnection, where: Partition, last: LastRecord
) -> None:
    """See that the topic holds the last record that is recorded, where it stands there."""
    ends = Ends({where: last.offset + 1})
    found = [
        (message.timestamp()[1], message.key(), message.value())
        for message in records(connection, {where: last.offset}, ends)
    ]
    if found != [last[1:]]:
        topic, number = where
        raise LostRecordsError(
            f"{topic}[{number}] holds another record at offset {last.offset} than {folder} does:"
            " the broker has lost records that are recorded, and new records have their offsets."
            " Record to another folder"
        )
