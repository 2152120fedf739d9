"""``make chaos``: storms on a broker of their own, seed by seed, and a table of what came out."""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.chaos.inputs import INPUT_FAULTS
from tests.chaos.registry import FileRegistry
from tests.chaos.stops import STOPS
from tests.chaos.storm import BROKER_FAULTS, CLIMATES, WORKER_FAULTS, Storm, strategies, unruly
from tests.chaos.strategies import PROCESSORS
from tests.chaos.surroundings import SURROUNDING_FAULTS
from tests.chaos.system import ChaosSystem

KINDS = [*WORKER_FAULTS, *BROKER_FAULTS, *INPUT_FAULTS, *SURROUNDING_FAULTS]
HEADINGS = (
    "seed",
    "delivery",
    "climate",
    "faults",
    "kills",
    "rebalances",
    "ticks",
    "signals",
    "duplicates",
    "activations",
    "orders",
    "differences",
    "seconds",
)

SHOWN = 20
"""Differences per storm that are logged, of all kinds; ``--json`` has all."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1", help="comma-separated; each is a storm")
    parser.add_argument("--faults", type=int, default=40, help="per storm")
    parser.add_argument("--rate", type=float, default=1500.0, help="ticks a second")
    parser.add_argument(
        "--ticks-per-fault",
        type=float,
        default=float("inf"),
        help="no more are published while a fault lasts, for slow machines",
    )
    parser.add_argument("--delivery", default="at_least_once")
    parser.add_argument("--only", help="kinds of faults, comma-separated; all by default")
    parser.add_argument(
        "--climate",
        choices=[*CLIMATES, "each"],
        default="each",
        help="settings of the workers; by default, each seed has the next one",
    )
    parser.add_argument(
        "--stops", action="store_true", help="instead, the scenarios that end in a stop"
    )
    parser.add_argument("--keep", type=Path, help="folder for workers' logs and data")
    parser.add_argument("--json", type=Path, help="append a line per storm")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # strategies fail here as often as in the workers
    os.environ["PANDA_PROCESSORS"] = json.dumps(PROCESSORS)
    os.environ["PANDA_STRATEGIES_PATH"] = str(Path(__file__).parents[2])
    if given.stops:
        return stops(given)
    _row(HEADINGS)
    _row(["---:"] * len(HEADINGS))
    worst = 0
    for seed in map(int, given.seeds.split(",")):
        row = storm(seed, given)
        worst = max(worst, row["differences"])
        _row([row[name] for name in HEADINGS])
        if given.json:
            with given.json.open("a") as file:
                file.write(json.dumps(row) + "\n")
    return 1 if worst else 0


def storm(seed: int, given: argparse.Namespace) -> dict[str, object]:
    started = time.monotonic()
    kinds = KINDS
    if given.only:
        kinds = [kind for kind in kinds if kind.__name__ in given.only.split(",")]
    climate = [*CLIMATES][seed % len(CLIMATES)] if given.climate == "each" else given.climate
    with weather(f"seed-{seed}", seed, given, climate) as raging:
        verdict = raging.rage(given.faults, kinds)
        found = verdict.money_differences + verdict.runner_differences
        for sentence in found[:: len(found) // SHOWN + 1]:
            _say(f"seed {seed}: {sentence}")
        return {
            **asdict(verdict),
            "seed": seed,
            "delivery": given.delivery,
            "climate": climate,
            "faults": given.faults,
            "kills": raging.kills,
            "rebalances": raging.system.rebalances(),
            "differences": verdict.differences,
            "actions": dict(raging.actions),
            "endings": {str(code): n for code, n in raging.endings.items()},
            "seconds": round(time.monotonic() - started),
        }


def stops(given: argparse.Namespace) -> int:
    """Run each scenario on a broker of its own; one that fails raises."""
    for scenario in STOPS:
        started = time.monotonic()
        with weather(scenario.__name__, 1, given, "plain") as raging, raging:
            scenario(raging)
            _say(f"{scenario.__name__}: as stated, in {time.monotonic() - started:.0f} s")
    return 0


@contextmanager
def weather(name: str, seed: int, given: argparse.Namespace, climate: str) -> Iterator[Storm]:
    """A storm on a broker and a registry of its own."""
    with ExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="panda-chaos-"))
        folder = Path(temporary) if given.keep is None else given.keep / name
        folder.mkdir(parents=True, exist_ok=True)
        broker = stack.enter_context(EmbeddedKafka(folder / "kafka", *free_ports(2)))
        registry = stack.enter_context(FileRegistry())
        changes = {**CLIMATES[climate], "schema_registry_url": registry.url}
        system = ChaosSystem(folder, broker.bootstrap_servers, "", given.delivery, changes)
        stack.callback(system.close)
        yield Storm(
            system,
            seed,
            broker,
            given.rate,
            given.ticks_per_fault,
            registry=registry,
            configs=[*strategies(), *unruly()],
            log=_say,
        )


def _row(cells: Sequence[object]) -> None:
    sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    sys.exit(main())
