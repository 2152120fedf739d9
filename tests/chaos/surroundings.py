"""Faults of what workers need to start: their configuration, the database, the schema registry.

Each is one storm's fault among others. Its docstring states the exit code of the worker that
cannot start. The other workers go on, and the verdict has to be 0 differences.
"""

import signal
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from algo_panda.kafka.ports import free_ports
from algo_panda.store.database import Database
from algo_panda.store.migrate import upgrade
from tests.chaos.storm import Storm

_UNWRITTEN = "panda_unwritten_strategy_statuses"


def start_a_runner_without_processors(storm: Storm) -> None:
    """Start a second runner that lacks PANDA_PROCESSORS.

    It is given partitions and leaves with exit code 3 before it processes a tick: the message
    names what it lacks.
    """
    foreign = storm.system.spawn("runner", PANDA_PROCESSORS="{}")
    storm.expect_stop(
        foreign,
        3,
        "runs strategies that this worker cannot run",
        "unknown strategy type 'chaos_",
        "PANDA_PROCESSORS",
    )


def start_a_runner_on_an_empty_database(storm: Storm) -> None:
    """Start a second runner on a database without strategies: it leaves with exit code 3."""
    url = f"sqlite:///{storm.system.folder / 'another.db'}"
    with Database(url) as database:
        upgrade(database)
    foreign = storm.system.spawn("runner", PANDA_DATABASE_URL=url)
    storm.expect_stop(
        foreign,
        3,
        "runs the strategies of the database with id",
        "has no row of",
        "PANDA_DATABASE_URL",
    )


def take_the_database_away(storm: Storm) -> None:
    """Let there be no database while a runner starts: it ends with exit code 5.

    Those that run go on without it. The runner starts when the database is back.
    """
    storm.wait_until_started()
    storm.end(storm.runner(), signal.SIGKILL)
    with _database_away(storm) as (variables, part):
        worker = storm.system.spawn("runner", **variables)
        storm.expect_stop(worker, 5, part)


def lock_the_database(storm: Storm) -> None:
    """Lock the SQLite file for writing while a runner starts.

    It starts and processes ticks. The statuses of its strategies are written when the lock is
    gone.
    """
    file = _sqlite_file(storm)
    if file is None:
        return
    name = storm.runner()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        storm.end(name, signal.SIGKILL)
        worker = storm.start(name)
        storm.system.until("a runner with a locked database", lambda: _is_open(storm, name))
        connection.execute("ROLLBACK")
    storm.system.until(
        "the statuses in the database",
        lambda: worker.process.poll() is None and worker.metric(_UNWRITTEN) == 0,
    )


def take_the_registry_away(storm: Storm) -> None:
    """Let the schema registry be away while a worker starts: it ends with exit code 3.

    The message names the registry. Workers that run know the schemas, and go on.
    """
    if storm.registry is None:
        return
    storm.wait_until_started()
    name = storm.any_worker()
    storm.end(name, signal.SIGKILL)
    with storm.registry.away():
        worker = storm.system.spawn(name.split("-", maxsplit=1)[0])
        storm.expect_stop(worker, 3, f"schema registry {storm.registry.url}", "refused")


def _is_open(storm: Storm, name: str) -> bool:
    log = storm.worker(name).log.read_text("utf-8", "replace")
    return "this worker owns" in log


def _sqlite_file(storm: Storm) -> Path | None:
    with Database(storm.system.settings.effective_database_url) as database:
        return database.file


@contextmanager
def _database_away(storm: Storm) -> Iterator[tuple[dict[str, str], str]]:
    """Move the files of a SQLite database; of a server, name a port that nobody listens at.

    Yields the variables for a worker, and a part of its message.
    """
    file = _sqlite_file(storm)
    if file is None:
        (port,) = free_ports(1)
        yield {"PANDA_DATABASE_URL": f"postgresql://me@127.0.0.1:{port}/panda"}, "127.0.0.1"
        return
    with ExitStack() as stack:
        for one in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")):
            if one.exists():
                stack.callback(one.with_name(f"away-{one.name}").rename, one)
                one.rename(one.with_name(f"away-{one.name}"))
        yield {}, f"there is no database at {file}"


SURROUNDING_FAULTS: Sequence[Callable[[Storm], None]] = (
    start_a_runner_without_processors,
    start_a_runner_on_an_empty_database,
    take_the_database_away,
    lock_the_database,
    take_the_registry_away,
)
