"""A run under a constant load, as several parts have it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.programs import Child
from benchmarks.session import Session


@contextmanager
def load(
    session: Session,
    scratch: Path,
    *,
    instruments: int,
    rate: float,
    warm: float,
    seconds: float,
    linger_ms: float = 1.0,
) -> Iterator[Child]:
    """Pours ticks once ``ready_file`` is there; ended at the end of the block."""
    data = session.options.data
    child = Child(
        Path(sys.executable),
        (
            "-m",
            "benchmarks.load",
            *(() if data is None else ("--data", str(data))),
            *("--linger-ms", str(linger_ms)),
            *map(str, (instruments, rate, warm, seconds, ready_file(scratch))),
        ),
        scratch,
        {
            "BENCH_BROKER": session.cluster.bootstrap_servers,
            "BENCH_TICKS_TOPIC": session.cluster.ticks,
        },
    )
    try:
        yield child
    finally:
        child.end()


def ready_file(scratch: Path) -> Path:
    """Touched when ticks are handled."""
    return scratch / "ready"
