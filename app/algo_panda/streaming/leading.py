"""Leading inputs: other inputs wait for them, so that no decision uses old information.

Risk checks signals against the executions that it has booked. After a restart, a pause or a burst,
many executions may be waiting. A program declares such inputs as leading: records of its other
inputs are processed only if every leading record that could be read two seconds ago is processed.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from algo_panda.domain.decisions import CURRENT_SECONDS
from algo_panda.kafka.ends import End, ReadEnds
from algo_panda.streaming.owned import OwnedPartition
from algo_panda.streaming.progress import TopicPartition
from algo_panda.supervised_thread import SupervisedThread

_ASK_INTERVAL = 0.5
_LAST_ASK_SECONDS = 1.0
"""How long ``stop`` waits for the thread, which may wait for a broker."""

_ANSWERS_KEPT = 8
"""Kept because newer answers arrive before a partition reaches the ends of one."""


class _Answer(NamedTuple):
    """Where the leading inputs ended."""

    asked_at: float
    ends: Mapping[TopicPartition, End]


class LeadingInputs:
    """Ends of the leading inputs, asked for in a thread, and which partitions have reached them."""

    def __init__(
        self,
        topics: Sequence[str],
        *,
        read_ends: ReadEnds,
        owned: Callable[[], Collection[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; the thread does not run yet.

        Args:
            topics: the leading inputs, by their names on the broker. If there are none, every
                partition always is that far.
            read_ends: asks the broker, in the thread.
            owned: numbers of the partitions to ask about, from any thread.
            clock: monotonic.
        """
        self._topics = tuple(topics)
        self._read_ends = read_ends
        self._owned = owned
        self._clock = clock
        self._answers: tuple[_Answer, ...] = ()
        """The newest ones, the newest first; replaced as a whole."""
        self._asked = threading.Event()
        self._thread = SupervisedThread("leading inputs", self._step, longest_pause=_ASK_INTERVAL)

    def start(self) -> None:
        """Start the thread, if there is anything to ask."""
        if self._topics and not self._thread.is_alive:
            self._thread.start()

    def stop(self) -> None:
        """End the thread; do not wait longer than a second for an answer of the broker."""
        self._asked.set()
        self._thread.stop(_LAST_ASK_SECONDS)

    @property
    def trouble(self) -> str | None:
        """Return why the thread gets no answer, or None. From any thread."""
        return self._thread.trouble

    def ask_now(self) -> None:
        """Wake the thread, so that it asks at once."""
        self._asked.set()

    def is_current(self, owned: OwnedPartition) -> bool:
        """Return whether all leading records are processed that existed two seconds ago."""
        if not self._topics:
            return True
        for answer in self._answers:
            if answer.asked_at <= owned.current_at:
                break
            if self._has_reached(owned, answer.ends):
                owned.current_at = answer.asked_at
                break
        return self._clock() - owned.current_at <= CURRENT_SECONDS

    def ask(self) -> None:
        """Ask the broker, and keep the answer.

        Raises:
            KafkaError: it does not answer.
        """
        asked_at = self._clock()
        where = [(topic, number) for number in self._owned() for topic in self._topics]
        answer = _Answer(asked_at, self._read_ends(where))
        self._answers = (answer, *self._answers[: _ANSWERS_KEPT - 1])

    def _has_reached(self, owned: OwnedPartition, ends: Mapping[TopicPartition, End]) -> bool:
        for topic in self._topics:
            end = ends.get((topic, owned.partition))
            if end is None or owned.next_offsets[topic] < end.readable:
                return False
        return True

    def _step(self, ending: threading.Event) -> None:
        self.ask()
        if not ending.is_set():
            self._asked.wait(_ASK_INTERVAL)
            self._asked.clear()
