"""Golden fixtures: what an installation of an earlier version left on disk, and did next."""

import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "golden"
VERSIONS = sorted(file.parent.name for file in FOLDER.glob("*/data.tar.xz"))


@dataclass(frozen=True)
class Golden:
    """The fixture of one version; ``folder`` is where a test works on a copy of it."""

    version: str
    folder: Path

    @property
    def fixture(self) -> Path:
        return FOLDER / self.version

    @property
    def data(self) -> Path:
        """The data directory that the version left."""
        return self.folder / "data"

    def unpack(self) -> None:
        with tarfile.open(self.fixture / "data.tar.xz") as packed:
            packed.extractall(self.folder, filter="data")
        shutil.copy(FOLDER / "golden_strategies.py", self.folder)

    def lines(self, name: str) -> list[dict[str, Any]]:
        with lzma.open(self.fixture / name, "rt") as file:
            return [json.loads(line) for line in file]

    def json(self, name: str) -> Any:
        return json.loads((self.fixture / name).read_text())

    @property
    def settings(self) -> dict[str, str]:
        """The settings that the version ran with."""
        given = self.json("environment.json")
        return {name: v if isinstance(v, str) else json.dumps(v) for name, v in given.items()}

    def variables(self, **more: str) -> dict[str, str]:
        """The environment of its processes."""
        plain = {name: v for name, v in os.environ.items() if not name.startswith("PANDA_")}
        return {**plain, **self.settings, "PANDA_DATA_DIR": str(self.data), **more}

    def start(self, *arguments: str, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as out:
            return subprocess.Popen(
                command(arguments),
                env=env,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def panda(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(arguments),
            env=self.variables(**more),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


def command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "algo_panda", *arguments]
