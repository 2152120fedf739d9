"""Where a run took place, and its JSON."""

import json
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.options import RESULTS, ROOT, Options


def machine() -> dict[str, Any]:
    """What the numbers depend on."""
    cpu = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {
        "cores": os.cpu_count(),
        "cpu": cpu,
        "memory_gib": round(memory, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "confluent_kafka": version("confluent-kafka"),
        "load_before": os.getloadavg(),
        "commit": _commit(),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def write(options: Options, where: dict[str, Any], parts: dict[str, Any]) -> Path:
    """Leave everything that was measured; the file."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    settings = {
        name: getattr(options, name)
        for name in options.__slots__
        if name not in ("cache", "data", "parts")
    }
    data = options.data.name if options.data else "made up"
    result = {"machine": where, "options": {**settings, "data": data}, "parts": parts}
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"
