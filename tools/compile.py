"""Compile the modules on the path of every tick to machine code, next to their source.

    python tools/compile.py            compile, unless what is there is of this very source
    python tools/compile.py --remove   remove what was compiled: the source itself runs again
    python tools/compile.py --remove-stale    the same, where it is not of this very source

Which modules: ``[tool.compiled]`` in ``pyproject.toml``; why, and what to mind in them:
``docs/adr/0012-compiled-hot-path.md``. Where there is no C compiler nothing is compiled, and
everything works as before, only slower. Exit codes: 0 done, or nothing can be done here; 1 a
module cannot be compiled, the output says why; 64 wrong usage.
"""

import contextlib
import hashlib
import io
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIGEST = ROOT / ".compiled"
"""Says which source was compiled."""

SOURCE_ROOT = "app"
_GROUP = "algo_panda"
_SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")


def main() -> int:
    """Do what the arguments say."""
    match sys.argv[1:]:
        case ["--remove"]:
            remove()
        case ["--remove-stale"]:
            if is_stale():
                remove()
        case []:
            if not DIGEST.exists() or is_stale():
                remove()
                return _compile(modules()) if _can_compile() else 0
        case _:
            _say(str(__doc__))
            return 64
    return 0


def _can_compile() -> bool:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None or not header.exists():
        missing = f"header {header}" if shutil.which(compiler) else f"C compiler ({compiler})"
        _say(f"not compiled, for there is no {missing}: panda works, only slower")
        return False
    _say("compiling the path of a tick (half a minute)")
    return True


def modules() -> list[str]:
    """The source files to compile, relative to the top of the checkout."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed: list[str] = tomllib.load(file)["tool"]["compiled"]["modules"]
    return [f"{SOURCE_ROOT}/{name.replace('.', '/')}.py" for name in listed]


def is_stale() -> bool:
    """Whether something was compiled, and of another source than what is here now."""
    if DIGEST.exists():
        return DIGEST.read_text() != _digest()
    return next(_compiled_files(), None) is not None


def remove() -> None:
    """Remove what was compiled."""
    DIGEST.unlink(missing_ok=True)
    for path in _compiled_files():
        path.unlink()


def _compile(paths: list[str]) -> int:
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    os.chdir(ROOT)
    digest = _digest()
    with tempfile.TemporaryDirectory() as folder:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            extensions = mypycify(
                ["--config-file", "pyproject.toml", *paths],
                opt_level="3",
                debug_level="0",
                target_dir=folder,
                group_name=_GROUP,
            )
        if "warning:" in said.getvalue():
            # Compiled, it would not do what the source says.
            _say(said.getvalue())
            return 1
        command = build_ext(
            Distribution(
                {"name": "algo-panda", "ext_modules": extensions, "package_dir": {"": SOURCE_ROOT}}
            )
        )
        command.inplace = True
        command.build_temp = folder
        command.ensure_finalized()
        with contextlib.redirect_stdout(said):
            command.run()
    DIGEST.write_text(digest)
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _digest() -> str:
    """Of all that decides what is compiled: types and constants come from other modules, too."""
    digest = hashlib.sha256(f"{sys.version} {version('mypy')} {_SUFFIX}".encode())
    digest.update(Path(__file__).read_bytes())
    for path in (ROOT / "pyproject.toml", *sorted((ROOT / SOURCE_ROOT).rglob("*.py"))):
        digest.update(f"\0{path.relative_to(ROOT)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _compiled_files() -> Iterator[Path]:
    yield from (ROOT / SOURCE_ROOT).rglob(f"*{_SUFFIX}")


if __name__ == "__main__":
    sys.exit(main())
