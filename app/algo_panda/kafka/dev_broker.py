"""The broker that ``panda dev up`` keeps in the background, and how every command finds it."""

import fcntl
import json
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from algo_panda.domain.errors import KafkaError
from algo_panda.kafka.client_config import check_client_config
from algo_panda.kafka.clients import KafkaConnection
from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import LOOPBACK
from algo_panda.kafka.processes import ProcessIdentity, end_process, is_alive
from algo_panda.kafka.security import kafka_security
from algo_panda.settings import Settings

_STATE_FILE = "dev-broker.json"
_STOP_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DevBroker:
    """A broker in the background, as written in the state file.

    ``started_at``, in seconds since the epoch, tells it from another process with its pid.
    """

    pid: int
    started_at: float
    port: int
    controller_port: int
    log_file: str

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect, as host:port."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def process(self) -> ProcessIdentity:
        """The process that it is."""
        return ProcessIdentity(pid=self.pid, started_at=self.started_at)


def dev_broker_dir(settings: Settings) -> Path:
    """Where the broker of ``panda dev up`` keeps its topics, its log and its state file."""
    return settings.data_dir / "kafka"


def kafka_connection(settings: Settings) -> KafkaConnection:
    """Choose the Kafka to use: the one that is set, else the running broker of ``panda dev up``.

    Raises:
        KafkaError: No servers are set, and no broker runs.
        ConfigurationError: The settings of credentials, TLS or librdkafka cannot be used.
    """
    security = kafka_security(settings)
    check_client_config("PANDA_KAFKA_CLIENT_CONFIG", settings.kafka_client_config)
    servers = settings.kafka_bootstrap_servers
    if not servers:
        broker = find_dev_broker(dev_broker_dir(settings))
        if broker is None:
            raise KafkaError("no Kafka: set PANDA_KAFKA_BOOTSTRAP_SERVERS or run 'panda dev up'")
        servers = broker.bootstrap_servers
    return KafkaConnection(servers, security, settings.kafka_client_config)


def find_dev_broker(directory: Path) -> DevBroker | None:
    """Look for the broker that runs on ``directory``; what a dead one left behind is not one.

    Raises:
        KafkaError: the directory is there, and may not be read.
    """
    try:
        state: dict[str, Any] = json.loads((directory / _STATE_FILE).read_text())
        # A later version may write more fields; its broker runs all the same.
        broker = DevBroker(**{f.name: state[f.name] for f in fields(DevBroker)})
    except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
        return None  # never started, or the state file was cut short by a full disk
    except OSError as error:
        raise _unusable(directory, error) from error
    return broker if is_alive(broker.process) else None


def start_dev_broker(
    directory: Path,
    port: int,
    controller_port: int,
    *,
    on_download: Callable[[int, int], None] = lambda _ready, _total: None,
) -> tuple[DevBroker, bool]:
    """Start the broker on ``directory`` unless it runs already, and wait until it answers.

    Returns:
        The broker, and whether it was started now.

    Raises:
        KafkaError: it cannot be started; the message says why.
    """
    with _made(directory), _only_one_command(directory):
        running = find_dev_broker(directory)
        if running is not None:
            return running, False
        kafka = EmbeddedKafka(
            directory, port, controller_port, outlives_starter=True, on_download=on_download
        )
        process = kafka.launch()
        broker = DevBroker(
            **asdict(process),
            port=port,
            controller_port=controller_port,
            log_file=str(kafka.log_file),
        )
        # Before it answers, so that a starter killed meanwhile leaves no broker that none can find.
        _write_state(directory, broker)
        kafka.wait_until_ready()
        return broker, True


def stop_dev_broker(directory: Path, *, delete_data: bool = False) -> DevBroker | None:
    """Stop the broker that runs on ``directory``, if one does: by force after 20 s.

    Args:
        directory: Where it keeps its data.
        delete_data: Whether to delete that directory as well, with every topic.

    Returns:
        The broker that was stopped.

    Raises:
        KafkaError: the directory cannot be used; the message says why.
    """
    if not directory.is_dir():
        return None
    with _made(directory), _only_one_command(directory):
        broker = find_dev_broker(directory)
        if broker is not None:
            end_process(broker.process, patience_seconds=_STOP_PATIENCE_SECONDS)
        (directory / _STATE_FILE).unlink(missing_ok=True)
        if delete_data:
            shutil.rmtree(directory)
    return broker


def _write_state(directory: Path, broker: DevBroker) -> None:
    fresh = directory / f"{_STATE_FILE}.new"
    fresh.write_text(json.dumps(asdict(broker), indent=2) + "\n")
    fresh.replace(directory / _STATE_FILE)


@contextmanager
def _made(directory: Path) -> Generator[None]:
    """Make ``directory`` if need be; say in one line what of it cannot be used."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise _unusable(directory, error) from error


def _unusable(directory: Path, error: OSError) -> KafkaError:
    return KafkaError(
        f"Kafka's files: {error.filename or directory}: {error.strerror or error};"
        " set PANDA_DATA_DIR to a directory that you may write to"
    )


@contextmanager
def _only_one_command(directory: Path) -> Generator[None]:
    with (directory / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
