"""Interface between engine and programs: records in, records out, and a state to checkpoint.

The engine does not depend on ticks or orders; an operator does not depend on Faust or clients.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, cast

from algo_panda.kafka.clients import KafkaConnection

Headers = Sequence[tuple[str, bytes | None]]
MessageHeaders = dict[str, str | bytes | None] | list[tuple[str, str | bytes | None]] | None


class Message(Protocol):
    """A record, in the interface of the client library."""

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
"""Called with the name of each completed step of opening or a checkpoint, from any thread."""


def no_probe(_step: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Where an operator begins."""

    offsets: Mapping[str, int]
    """Offset of the first record that it gets, by topic."""
    is_settled: bool
    """Whether no output of these records can have been sent before. If one can, the operator
    must process them with the recorded strategy versions."""
    is_handed_over: bool = False
    """Whether the last owner has sent no output of these records, because it stopped cleanly. An
    earlier owner that was suspended may still send some when it wakes up, unless ``is_settled``."""
    origin: bytes | None = None
    """``Beginning.origin`` of the operator before; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Records before its start that an operator needs again, to rebuild state."""

    topic: str
    first: int
    """Offset of the first one."""
    end: int
    """Offset after the last one."""
    take: Callable[[Sequence[Message]], None]
    """Called with the records in offset order, as far as they are retained."""
    finish: Callable[[], None]
    """Called once, after the last record."""


class Beginning(NamedTuple):
    """Result of restoring an operator."""

    announcements: Sequence[Output] = ()
    """Outputs that are made durable, with the changed state, before the first record."""
    is_outdated: bool = False
    """Whether it runs recorded versions, and must be replaced at the next settled offset."""
    replay: Replay | None = None
    origin: bytes | None = None
    """Database and code that outputs depend on: recorded with each checkpoint."""


class PartitionOperator(Protocol):
    """Logic and state of a program on one partition."""

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Process records of one topic, in offset order; return the outputs.

        It must be deterministic: the same records after the same state give the same outputs. A
        record that cannot be used becomes a dead letter among the outputs. An exception stops the
        worker.
        """
        ...

    def changed(self) -> Iterable[StateRecord]:
        """Return the state that changed since the last call, as it is at this call.

        The iterator may be consumed in parts, with records processed in between. It must be
        consumed before the next call.
        """
        ...

    def restore(self, state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        """Continue from a checkpoint. Called once, before any other method."""
        ...

    def close(self) -> None:
        """Release resources: another worker takes the partition, or the worker stops."""
        ...


OperatorFactory = Callable[[int, Mapping[str, str]], PartitionOperator]
"""Creates the operator of a partition from its number and Kafka's topic ids by topic name."""


class Delivery(StrEnum):
    """When outputs are sent.

    ``AT_LEAST_ONCE``: at once; the checkpoint waits until the broker has acknowledged them. After
    a crash some are sent again, byte for byte the same.
    ``EXACTLY_ONCE``: in the transaction of the checkpoint, for ``read_committed`` consumers.
    """

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


def always() -> bool:
    """Return True."""
    return True


def nothing() -> None:
    """Do nothing."""


class BatchClock:
    """Time of a batch of records, read before the age of its inputs is checked.

    So an input is never older, at that time, than the check found, however long the process is
    suspended in between.
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
    """Description of a worker program: inputs, changelog, delivery and operators."""

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
    """Inputs that the program reads from their end when it starts for the first time."""
    leading: tuple[str, ...] = ()
    """Inputs that the others wait for: see ``algo_panda.streaming.leading``."""
    begin_batch: Callable[[], None] = nothing
    """Called before the age of the inputs of decisions is checked."""
    is_control_current: Callable[[], bool] = always
    """Whether the trading states are at most two seconds old, or so old that every account is
    halted. Otherwise only leading inputs are processed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Settings of the connection to the broker and the group."""

    kafka: KafkaConnection
    session_timeout: float = 6.0
    """Seconds without a heartbeat after which the broker reassigns a worker's partitions."""
    instance_id: str | None = None
    """Static membership: a worker that comes back under it keeps its partitions."""
    max_batch: int = 4000
    """Records taken from the fetch buffer at a time."""


def latest(records: Iterable[StateRecord]) -> dict[bytes, bytes]:
    """Return the last value of every key that is not deleted."""
    state: dict[bytes, bytes] = {}
    for key, value in records:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    return state
