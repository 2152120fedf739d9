"""One run of ``panda publish``, once its options are understood."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from algo_panda.cli.publish_view import BadRowNotices, OnProgress, progress_view, summary
from algo_panda.cli.stopping import stop_on_signals
from algo_panda.domain.errors import PandaError
from algo_panda.ingest.outcome import Counts, PublishError
from algo_panda.ingest.source import BadRow, TickSource

if TYPE_CHECKING:
    from algo_panda.ingest.pace import Pace
    from algo_panda.ingest.publisher import Publisher
    from algo_panda.ingest.rejects import Rejects
    from algo_panda.settings import Settings

_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishRun:
    """What is to be published, and how."""

    sources: Sequence[TickSource]
    rejects: "Rejects | None"
    """Where bad rows go; None: the run stops at the first."""
    pace: "Pace | None"
    event_timestamps: bool
    limit: int | None
    as_json: bool

    def go(self, settings: "Settings") -> None:
        """Publish, and say what came of it; a run that was stopped exits as its signal says.

        Raises:
            PandaError: the broker, the topic or a source is not as it should be.
        """
        from algo_panda.ingest.merging import in_event_order

        topic = settings.topic("ticks")
        with ExitStack() as stack:
            show = stack.enter_context(progress_view(_notices, self._fraction))
            if self.rejects is not None:
                stack.enter_context(closing(self.rejects))
            publisher = self._publisher(settings, topic, show)
            received = stack.enter_context(stop_on_signals(publisher.stop))
            try:
                counts = publisher.publish(in_event_order(self.sources)).counts
            except (PandaError, KeyboardInterrupt) as error:
                self._report_failure(topic, publisher.counts, error)
                raise
        self._report(topic, "interrupted" if received else "complete", counts)
        if received:
            raise typer.Exit(128 + received[0])

    def _publisher(self, settings: "Settings", topic: str, show: OnProgress) -> "Publisher":
        from algo_panda.bootstrap.codecs import codecs_of
        from algo_panda.ingest.connecting import open_producer
        from algo_panda.ingest.publisher import Publisher
        from algo_panda.kafka.dev_broker import kafka_connection

        codecs = codecs_of(settings)
        producer = open_producer(
            kafka_connection(settings), topic, event_timestamps=self.event_timestamps
        )
        return Publisher(
            producer=producer,
            topic=topic,
            encode=codecs.ticks.encode,
            clock=time,
            pace=self.pace,
            event_timestamps=self.event_timestamps,
            limit=self.limit,
            on_bad_row=self._bad_row_taker(),
            on_progress=show,
        )

    def _bad_row_taker(self) -> Callable[[BadRow], None] | None:
        rejects = self.rejects
        if rejects is None:
            return None
        notices = BadRowNotices(_notices)

        def take(bad: BadRow) -> None:
            rejects.write(bad)
            notices.show(bad)

        return take

    def _fraction(self, counts: Counts) -> float:
        """How far the run is, 0 to 1."""
        read = sum(source.fraction_read for source in self.sources) / len(self.sources)
        return max(read, counts.sent / self.limit) if self.limit else read

    def _report(self, topic: str, outcome: str, counts: Counts) -> None:
        rejects = str(self.rejects.path) if self.rejects and counts.rejected else None
        if self.as_json:
            facts = {
                "topic": topic,
                "outcome": outcome,
                **asdict(counts),
                "seconds": round(counts.seconds, 3),
                "ticks_per_second": round(counts.ticks_per_second),
                "rejects": rejects,
            }
            typer.echo(json.dumps(facts))
        else:
            typer.echo(summary(topic, outcome, counts, rejects))

    def _report_failure(self, topic: str, counts: Counts, error: BaseException) -> None:
        """The error itself is told by whoever catches it."""
        outcome = "failed" if isinstance(error, PandaError) else "interrupted"
        if self.as_json or not isinstance(error, PublishError):
            self._report(topic, outcome, counts)
