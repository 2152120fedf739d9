"""``panda worker``: the programs that do the work."""

import asyncio
import os
import signal
import subprocess
import time
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from algo_panda.children import python_command
from algo_panda.settings import load_settings

app = typer.Typer(help="Run the workers: runner, risk, router, paper.", no_args_is_help=True)
_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

_STOP_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.1

Workers = Annotated[
    int, typer.Option(min=1, help="Processes to start; partitions are shared among them.")
]
InstanceId = Annotated[
    str | None,
    typer.Option(
        help="Static membership: a worker that comes back under this id keeps its partitions."
    ),
]


class Program(StrEnum):
    """What a worker does."""

    RUNNER = "runner"
    RISK = "risk"
    ROUTER = "router"
    PAPER = "paper"


@app.command()
def runner(workers: Workers = 1, instance_id: InstanceId = None) -> None:
    """Ticks in, signals out: runs the strategies of the database."""
    _run(Program.RUNNER, workers, instance_id)


@app.command()
def risk(workers: Workers = 1, instance_id: InstanceId = None) -> None:
    """Signals in, approved orders out."""
    _run(Program.RISK, workers, instance_id)


@app.command()
def router(workers: Workers = 1, instance_id: InstanceId = None) -> None:
    """Approved orders in; paper orders and executions out."""
    _run(Program.ROUTER, workers, instance_id)


@app.command()
def paper(workers: Workers = 1, instance_id: InstanceId = None) -> None:
    """Ticks and paper orders in, executions out: the paper venue."""
    _run(Program.PAPER, workers, instance_id)


def _run(program: Program, workers: int, instance_id: str | None) -> None:
    settings = load_settings()
    if workers > 1:
        raise typer.Exit(_run_many(program, workers, instance_id, settings.metrics_port))
    from algo_panda.bootstrap.workers import run_program

    asyncio.run(run_program(program.value, settings, instance_id=instance_id))


def _run_many(
    program: Program, workers: int, instance_id: str | None, metrics_port: int | None
) -> int:
    """Run so many processes until we are told to stop, or one of them fails.

    Should this one be killed, guards end the others.
    """
    from algo_panda.kafka.guard import start_guard
    from algo_panda.kafka.processes import ProcessIdentity

    children = [
        subprocess.Popen(
            _command(program, number, instance_id),
            env={**os.environ, **_metrics(metrics_port, number)},
            start_new_session=True,
        )
        for number in range(workers)
    ]
    guards = [start_guard(ProcessIdentity.of(child.pid)) for child in children]
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    code = 0
    while not stopping and code == 0 and any(child.poll() is None for child in children):
        time.sleep(_POLL_SECONDS)
        code = next((c for c in (child.poll() for child in children) if c), 0)
    if code:
        _notices.print(f"a {program} process ended with exit code {code}; stopping the others")
    _stop(children)
    for guard in guards:
        guard.communicate()
    return code or next((child.returncode for child in children if child.returncode), 0)


def _command(program: Program, number: int, instance_id: str | None) -> list[str]:
    identity = [] if instance_id is None else ["--instance-id", f"{instance_id}-{number}"]
    return python_command("algo_panda", "worker", program.value, *identity)


def _metrics(first_port: int | None, number: int) -> dict[str, str]:
    """Each process serves its own metrics: on consecutive ports, or on free ones."""
    return {} if first_port is None else {"PANDA_METRICS_PORT": str(first_port + number)}


def _stop(children: list[subprocess.Popen[bytes]]) -> None:
    for child in children:
        if child.poll() is None:
            child.terminate()
    deadline = time.monotonic() + _STOP_PATIENCE_SECONDS
    for child in children:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
