"""What runs on a partition: bytes in, bytes out, and a state that can be written down.

The engine knows nothing of ticks or orders; an operator knows nothing of Faust or Kafka clients.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, cast

from algo_panda.kafka.clients import KafkaConnection

Headers = Sequence[tuple[str, bytes | None]]
MessageHeaders = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]] | None


class Message(Protocol):
    """A record as the client library gives it."""

    def topic(self) -> str | None:
        """Name of the topic on the broker."""
        ...

    def partition(self) -> int | None:
        """Partition."""
        ...

    def offset(self) -> int | None:
        """Offset."""
        ...

    def key(self) -> bytes | None:
        """Key as received."""
        ...

    def value(self) -> bytes | None:
        """Value as received."""
        ...

    def timestamp(self) -> tuple[int, int]:
        """Kind of the time stamp, and milliseconds since the epoch."""
        ...

    def headers(self) -> "MessageHeaders":
        """Headers as received."""
        ...


def appended_us(message: Message) -> int:
    """Return when a record was appended, microseconds since the epoch; 0 if unknown."""
    return max(message.timestamp()[1], 0) * 1000


class Output(NamedTuple):
    """A record to be sent. The key decides its partition, by murmur2."""

    topic: str
    """Name of the topic on the broker."""
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


_NewOutput = Callable[[type[Output], tuple[str, bytes | None, bytes | None, Headers]], Output]
new_output = cast("_NewOutput", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Output(...)`` in half its time."""


class StateRecord(NamedTuple):
    """A changed piece of state, written to the changelog under ``key``; None deletes it."""

    key: bytes
    value: bytes | None


class StateFormatError(ValueError):
    """State in a changelog has a form that this version does not know."""


Probe = Callable[[str], None]
"""Hears by name which step of opening or of a checkpoint was just done; may be in any thread."""


def no_probe(_step: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where an operator begins."""

    offsets: Mapping[str, int]
    """The first record that it is handed, by topic."""
    is_settled: bool
    """Whether no output of these records can have been sent before. If one can, the operator
    has to process them as they were processed then, whatever changed since."""
    is_handed_over: bool = False
    """Whether the last owner has sent no output of these records, because it stopped cleanly. An
    owner before it, if it was suspended and wakes up, still may, unless ``is_settled``."""
    origin: bytes | None = None
    """What the operator before gave as ``Beginning.origin``; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Records of before its start that an operator wants to see again before it goes on."""

    topic: str
    first: int
    """Offset of the first one."""
    end: int
    """Offset behind the last one."""
    take: Callable[[Sequence[Message]], None]
    """Takes records in offset order, all that are retained; others do not matter."""
    finish: Callable[[], None]
    """Called once, when that was all."""


class Beginning(NamedTuple):
    """How an operator begins."""

    announcements: Sequence[Output] = ()
    """Made durable, together with what ``changed`` then gives, before the first record."""
    is_outdated: bool = False
    """It still is as it was; to be made anew as soon as that can be from a settled start."""
    replay: Replay | None = None
    origin: bytes | None = None
    """Where outputs come from, beside state and records: written beside each checkpoint."""


class PartitionOperator(Protocol):
    """Everything about one partition: process records, and write down what changed."""

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Take records of one topic in offset order; give what is to be sent.

        Deterministic: the same records after the same state give the same outputs. A record
        that cannot be used becomes a dead letter among the outputs; an exception here stops
        the worker.
        """
        ...

    def changed(self) -> Iterable[StateRecord]:
        """The state that changed since the last call, as it is now.

        It may be taken bit by bit, with records processed in between; all of it before the next
        call.
        """
        ...

    def restore(self, state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        """Go on from the state last written down; called once, before anything else."""
        ...

    def close(self) -> None:
        """The partition has gone to another worker, or the worker stops."""
        ...


OperatorFactory = Callable[[int, Mapping[str, str]], PartitionOperator]
"""Makes the operator of a partition, given its number and Kafka's topic ids by topic name."""


class Delivery(StrEnum):
    """When outputs leave.

    ``AT_LEAST_ONCE``: at once; the checkpoint waits until the broker has confirmed them. After a
    crash some are sent again, byte for byte the same.
    ``EXACTLY_ONCE``: in the checkpoint's own transaction, for ``read_committed`` readers.
    """

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


def always() -> bool:
    """Say yes."""
    return True


def nothing() -> None:
    """Do nothing."""


class BatchClock:
    """The present time of a batch of records: read before it is looked what is known.

    So the age of what a decision depends on never is more than what was looked at says, however
    long the processor is taken away in between.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        """Take the clock: microseconds since the epoch."""
        self._read = now_us
        self._now_us = now_us()

    def begin(self) -> None:
        """Read the time, for the next batch."""
        self._now_us = self._read()

    def now_us(self) -> int:
        """Return the time of the batch."""
        return self._now_us


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """One worker program: what it reads, where its state goes, how its outputs leave."""

    group: str
    """Consumer group, Faust app id, and prefix of the transactional ids."""
    inputs: tuple[str, ...]
    """Topic names on the broker; all co-partitioned."""
    changelog: str
    """Topic name on the broker; as many partitions as the inputs."""
    partitions: int
    delivery: Delivery
    checkpoint_interval: float
    """Seconds between checkpoints of a partition that moved."""
    create: OperatorFactory
    from_the_end: tuple[str, ...] = ()
    """Inputs of which only what comes after the program's first start is of interest."""
    leading: tuple[str, ...] = ()
    """Inputs that the others wait for, as ``algo_panda.streaming.leading`` says."""
    begin_batch: Callable[[], None] = nothing
    """Called before it is looked whether what decisions depend on is current."""
    is_control_current: Callable[[], bool] = always
    """Whether the trading states are those of at most two seconds ago, or every account is halted
    because they are not. Until then, only leading inputs are processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How the worker talks to the broker."""

    kafka: KafkaConnection
    session_timeout: float = 6.0
    """Seconds after which the broker gives a silent worker's partitions away."""
    instance_id: str | None = None
    """Static membership: a worker that comes back under it keeps its partitions."""
    max_batch: int = 4000
    """Records taken from the fetch buffer at a time."""


def latest(records: Iterable[StateRecord]) -> dict[bytes, bytes]:
    """The last value of every key, deleted ones left out."""
    state: dict[bytes, bytes] = {}
    for key, value in records:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return state
