"""Build hook of the wheel: compiled modules, schemas and topic declarations.

``pip wheel .`` compiles, and fails without a C compiler, because a wheel that is silently slower
is worse than none. ``ALGO_PANDA_PURE_WHEEL=1 pip wheel .`` builds a wheel of source alone. An
editable installation has neither: it runs the checkout, which ``make compile`` compiles.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PURE = "ALGO_PANDA_PURE_WHEEL"


class WheelContents(BuildHookInterface):  # type: ignore[type-arg]
    """Adds to the wheel what is not in the package's folder of the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile into a temporary folder, and list the files to include."""
        if self.target_name != "wheel" or version == "editable":
            return
        checkout = Path(self.root)
        include = build_data["force_include"]
        for name in ("schemas", "topics"):
            include[str(checkout / name)] = f"algo_panda/_resources/{name}"
        if os.environ.get(PURE):
            return
        self._folder = tempfile.mkdtemp(prefix="algo-panda-wheel-")
        include.update(self._compiled(checkout, Path(self._folder) / "source"))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, *_: object) -> None:
        """Remove the temporary folder."""
        folder = getattr(self, "_folder", None)
        if folder is not None:
            shutil.rmtree(folder)

    def _compiled(self, checkout: Path, root: Path) -> dict[str, str]:
        sys.path.insert(0, str(Path(__file__).parent))
        import compile as compiler  # tools/compile.py

        missing = compiler.missing_tool()
        if missing is not None:
            raise RuntimeError(
                f"the wheel cannot be compiled, because {missing} is missing: install it, or set "
                f"{PURE}=1 for a wheel of source alone, which is slower"
            )
        ignored = shutil.ignore_patterns("*.so", "__pycache__", compiler.manifest_name())
        shutil.copytree(checkout / compiler.SOURCE_ROOT, root, ignore=ignored)
        return {
            str(path): path.relative_to(root).as_posix() for path in compiler.build(checkout, root)
        }
