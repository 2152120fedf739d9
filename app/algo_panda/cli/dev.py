"""``panda dev``: a Kafka broker of one's own in the background."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.domain.errors import KafkaError
from algo_panda.settings import load_settings

app = typer.Typer(
    help="A Kafka broker of your own in the background, for development.", no_args_is_help=True
)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def up(
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Instead of PANDA_DEV_KAFKA_PORT.")
    ] = None,
    controller_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Instead of PANDA_DEV_CONTROLLER_PORT."),
    ] = None,
) -> None:
    """Start the broker, unless it runs, and print where it listens.

    The first start downloads its jars (45 MB). Topics are kept in the data directory.
    """
    from algo_panda.kafka.dev_broker import dev_broker_dir, start_dev_broker

    settings = load_settings()
    with _notices.status("starting Kafka") as status:
        broker, fresh = start_dev_broker(
            dev_broker_dir(settings),
            port or settings.dev_kafka_port,
            controller_port or settings.dev_controller_port,
            on_download=lambda ready, total: status.update(
                f"downloading Kafka, the first time only: {ready} of {total} files"
            ),
        )
    if not fresh and port not in (None, broker.port):
        raise KafkaError(
            f"Kafka already runs at {broker.bootstrap_servers}; run 'panda dev down' first to "
            f"move it to port {port}"
        )
    _notices.print(f"Kafka {'is up' if fresh else 'was up already'}; log: {broker.log_file}")
    if settings.kafka_bootstrap_servers:
        _notices.print(
            "note: PANDA_KAFKA_BOOTSTRAP_SERVERS is set, so the other commands use "
            f"{settings.kafka_bootstrap_servers}"
        )
    typer.echo(broker.bootstrap_servers)


@app.command()
def prepare() -> None:
    """Download Kafka, and make a cache that halves the time of the broker's start.

    It takes up to a minute, once; nothing else depends on it. 'make install' and 'make demo' do it.
    """
    from algo_panda.kafka.jars import default_jar_cache, ensure_jars
    from algo_panda.kafka.startup_cache import build_startup_cache, startup_cache

    def progress(ready: int, total: int) -> None:
        _notices.print(f"downloading Kafka: file {ready} of {total}")

    jars = ensure_jars(default_jar_cache(), on_progress=progress)
    if not startup_cache(jars).exists():
        _notices.print("preparing quick starts of Kafka, once (some 15 s)")
        build_startup_cache(jars)
    typer.echo(startup_cache(jars))


@app.command()
def status(as_json: AsJson = False) -> None:
    """Say whether the broker runs; the exit code is 0 if it answers, else 4."""
    from algo_panda.kafka.clients import KafkaConnection
    from algo_panda.kafka.connection import answers
    from algo_panda.kafka.dev_broker import dev_broker_dir, find_dev_broker

    settings = load_settings()
    directory = dev_broker_dir(settings)
    broker = find_dev_broker(directory)
    answering = broker is not None and answers(
        KafkaConnection(broker.bootstrap_servers), timeout_seconds=3.0
    )
    facts: dict[str, object] = {
        "running": broker is not None,
        "answers": answering,
        "data_dir": str(directory),
    }
    if broker is not None:
        started_at = datetime.fromtimestamp(broker.started_at, UTC).isoformat(timespec="seconds")
        facts |= {
            **asdict(broker),
            "started_at": started_at,
            "bootstrap_servers": broker.bootstrap_servers,
        }
    if as_json:
        typer.echo(json.dumps(facts))
    else:
        for name, value in facts.items():
            typer.echo(f"{name.replace('_', ' '):<18} {_plain(value)}")
        if broker is None:
            _notices.print("'panda dev up' starts it")
    raise typer.Exit(0 if answering else KafkaError.exit_code)


@app.command()
def down(
    delete_data: Annotated[
        bool, typer.Option("--delete-data", help="Delete its topics and everything in them, too.")
    ] = False,
) -> None:
    """Stop the broker; its topics stay unless told otherwise."""
    from algo_panda.kafka.dev_broker import dev_broker_dir, stop_dev_broker

    directory = dev_broker_dir(load_settings())
    with _notices.status("stopping Kafka"):
        broker = stop_dev_broker(directory, delete_data=delete_data)
    if broker is None:
        _notices.print("Kafka was not running")
    else:
        _notices.print(f"Kafka at {broker.bootstrap_servers} is down")
    _notices.print(f"{'deleted' if delete_data else 'kept'}: {directory}")


def _plain(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value
