"""What must be on ``signals``: one uninterrupted pass over the ticks, and a comparison with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from benchmarks.cluster import Cluster
from benchmarks.work import TickWork, decode_signal

_SUM = 2**128


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """Any number of signals, whatever their order: equal where the same bytes were sent."""

    count: int
    digest: int
    last_ms: int = 0
    """The broker's time stamp of the last of them."""

    def same_as(self, other: "Signals") -> bool:
        return (self.count, self.digest) == (other.count, other.digest)


def expected_signals(cluster: Cluster) -> Signals:
    """The signals that the ticks of the topic cause, worked out here, in one thread."""
    work = TickWork(cluster.topic_id())
    count = digest = 0
    for tick in cluster.read(cluster.ticks):
        signal = work.on_tick(tick.value() or b"", tick.partition() or 0, tick.offset() or 0)
        if signal is not None:
            count += 1
            digest += _digest(tick.key() or b"", signal)
    return Signals(count=count, digest=digest % _SUM)


def sent_signals(cluster: Cluster) -> Signals:
    """The signals on the topic."""
    count = digest = last_ms = 0
    for signal in cluster.read(cluster.signals):
        count += 1
        digest += _digest(signal.key() or b"", signal.value() or b"")
        last_ms = max(last_ms, signal.timestamp()[1])
    return Signals(count=count, digest=digest % _SUM, last_ms=last_ms)


def first_difference(cluster: Cluster) -> str:
    """Where the signals on the topic differ from those expected, in words."""
    expected = dict(_expected_by_tick(cluster))
    for message in cluster.read(cluster.signals):
        signal = decode_signal(message.value() or b"")
        at = (signal["tick_partition"], signal["tick_offset"])
        wanted = expected.pop(at, None)
        if wanted is None:
            return f"a signal at tick {at} that should not be there, or is there twice: {signal}"
        if wanted != message.value():
            return f"at tick {at}: {signal}, expected {decode_signal(wanted)}"
    if expected:
        return f"{len(expected)} missing, such as {decode_signal(next(iter(expected.values())))}"
    return "none"


def _expected_by_tick(cluster: Cluster) -> Iterator[tuple[tuple[int, int], bytes]]:
    work = TickWork(cluster.topic_id())
    for tick in cluster.read(cluster.ticks):
        at = (tick.partition() or 0, tick.offset() or 0)
        signal = work.on_tick(tick.value() or b"", *at)
        if signal is not None:
            yield at, signal


def _digest(key: bytes, value: bytes) -> int:
    return int.from_bytes(blake2b(key + b"|" + value, digest_size=16).digest())
