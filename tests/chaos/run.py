"""``make chaos``: storms on a broker of their own, seed by seed, and a table of what came out."""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.ports import free_ports
from tests.chaos.storm import BROKER_FAULTS, WORKER_FAULTS, Storm
from tests.chaos.strategies import PROCESSORS
from tests.chaos.system import ChaosSystem

HEADINGS = (
    "seed",
    "delivery",
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
    parser.add_argument("--delivery", default="at_least_once")
    parser.add_argument("--only", help="kinds of faults, comma-separated; all by default")
    parser.add_argument("--keep", type=Path, help="folder for workers' logs and data")
    parser.add_argument("--json", type=Path, help="append a line per storm")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)  # strategies fail here as often as in the workers
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
    os.environ["PANDA_PROCESSORS"] = json.dumps(PROCESSORS)
    os.environ["PANDA_STRATEGIES_PATH"] = str(Path(__file__).parents[2])
    kinds = [*WORKER_FAULTS, *BROKER_FAULTS]
    if given.only:
        kinds = [kind for kind in kinds if kind.__name__ in given.only.split(",")]
    with tempfile.TemporaryDirectory(prefix="panda-chaos-") as temporary:
        folder = Path(temporary) if given.keep is None else given.keep / f"seed-{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        with EmbeddedKafka(folder / "kafka", *free_ports(2)) as broker:
            system = ChaosSystem(folder, broker.bootstrap_servers, "", given.delivery)
            try:
                weather = Storm(system, seed, broker, given.rate, log=_say)
                verdict = weather.rage(given.faults, kinds)
            finally:
                system.close()
            found = verdict.money_differences + verdict.runner_differences
            for sentence in found[:: len(found) // SHOWN + 1]:
                _say(f"seed {seed}: {sentence}")
            return {
                **asdict(verdict),
                "seed": seed,
                "delivery": given.delivery,
                "faults": given.faults,
                "kills": weather.kills,
                "rebalances": system.rebalances(),
                "differences": verdict.differences,
                "actions": dict(weather.actions),
                "endings": {str(code): n for code, n in weather.endings.items()},
                "seconds": round(time.monotonic() - started),
            }


def _row(cells: Sequence[object]) -> None:
    sys.stdout.write("| " + " | ".join(map(str, cells)) + " |\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {line}\n")


if __name__ == "__main__":
    sys.exit(main())
