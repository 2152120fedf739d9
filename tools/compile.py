"""Compile the modules that every tick passes through to machine code, beside their source.

    python tools/compile.py             compile, unless the compiled modules match the source
    python tools/compile.py --remove    remove the compiled modules; the source runs

``[tool.compiled]`` in ``pyproject.toml`` lists the modules; docs/adr/0012-compiled-hot-path.md
says why, and what to mind in them. Without a C compiler nothing is compiled, and everything works
more slowly. Exit codes: 0 compiled, or no compiler; 1 a module cannot be compiled, the output says
why; 64 wrong usage.
"""

import ast
import contextlib
import importlib.util
import io
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
SOURCE_ROOT = "app"
PACKAGE = "algo_panda"
SUFFIX: str = sysconfig.get_config_var("EXT_SUFFIX")
_TYPES = Path(__file__).with_name("mypyc.ini")


class CompilationError(Exception):
    """A module cannot be compiled; the message is the compiler's."""


def main() -> int:
    """Do what the arguments say."""
    match sys.argv[1:]:
        case ["--remove"]:
            remove(ROOT)
            return 0
        case []:
            return compile_in_place(ROOT)
        case _:
            _print(str(__doc__))
            return 64


def compile_in_place(checkout: Path) -> int:
    """Compile the modules of a checkout if they are not, and return the exit code."""
    if is_current(checkout):
        return 0
    remove(checkout)
    missing = missing_tool()
    if missing is not None:
        _print(f"not compiled, because {missing} is missing: panda works, only more slowly")
        return 0
    _print("compiling the modules that every tick passes through (about a minute)")
    try:
        build(checkout, checkout / SOURCE_ROOT)
    except CompilationError as error:
        _print(str(error))
        return 1
    return 0


def build(checkout: Path, destination: Path) -> list[Path]:
    """Compile the modules of ``checkout`` into ``destination``, and return the files written.

    Args:
        checkout: the folder of ``pyproject.toml``.
        destination: a copy of the source root, or the source root itself.

    Raises:
        CompilationError: the message is the compiler's.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    here = Path.cwd()
    output = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(destination)
        try:
            with contextlib.redirect_stdout(output):
                extensions = mypycify(
                    ["--config-file", str(_TYPES), "--cache-dir", folder, *source_files(checkout)],
                    opt_level="3",
                    debug_level="0",
                    target_dir=folder,
                    group_name=PACKAGE,
                )
                if "warning:" in output.getvalue():
                    sys.exit(
                        "mypyc warns: a compiled module would behave differently from its source"
                    )
                command = build_ext(Distribution({"name": PACKAGE, "ext_modules": extensions}))
                command.inplace = True
                command.build_temp = command.build_lib = folder
                command.ensure_finalized()
                command.run()
        except (SystemExit, Exception) as error:
            raise CompilationError(f"{output.getvalue()}\n{error}") from error
        finally:
            os.chdir(here)
    compiled = _finder().CompiledModules(destination / PACKAGE)
    compiled.write_manifest(
        [destination / name for name in _dependencies(destination, source_files(checkout))],
        toolchain=_toolchain(),
    )
    return [*compiled.files(), destination / PACKAGE / manifest_name()]


def source_files(checkout: Path) -> list[str]:
    """Return the source files to compile, relative to the source root."""
    with (checkout / "pyproject.toml").open("rb") as file:
        listed: list[str] = tomllib.load(file)["tool"]["compiled"]["modules"]
    return [f"{name.replace('.', '/')}.py" for name in listed]


def is_current(checkout: Path) -> bool:
    """Return whether the compiled modules match the source, the list and the compiler."""
    compiled = _finder().CompiledModules(checkout / SOURCE_ROOT / PACKAGE)
    listed = len(source_files(checkout)) + 1
    return (
        len(compiled.files()) == listed
        and compiled.toolchain() == _toolchain()
        and compiled.mismatch() is None
    )


def remove(checkout: Path) -> None:
    """Remove the compiled modules of a checkout."""
    package = checkout / SOURCE_ROOT / PACKAGE
    (package / manifest_name()).unlink(missing_ok=True)
    for path in _finder().CompiledModules(package).files():
        path.unlink()


def manifest_name() -> str:
    """Return the name of the file that says what the compiled modules were built from."""
    return str(_finder().MANIFEST)


def missing_tool() -> str | None:
    """Return what is missing to compile, or None."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if shutil.which(compiler) is None:
        return f"the C compiler {compiler}"
    return None if header.exists() else f"the header {header}"


def _dependencies(root: Path, files: Iterable[str]) -> set[str]:
    """Return ``files`` and all modules of the package that they import, relative to ``root``.

    The compiler takes types and constants from these.
    """
    found: set[str] = set()
    waiting = [*files]
    while waiting:
        name = waiting.pop()
        if name not in found and (root / name).is_file():
            found.add(name)
            waiting.extend(_imported(ast.parse((root / name).read_text("utf-8"))))
    return found


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == PACKAGE:
                names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
            case ast.Import():
                names = [a.name for a in node.names if a.name.split(".")[0] == PACKAGE]
            case _:
                continue
        for name in names:
            path = name.replace(".", "/")
            yield from (f"{path}.py", f"{path}/__init__.py")


def _finder() -> ModuleType:
    """Load ``algo_panda/_compiled.py`` alone: the package may not be installed."""
    name = f"{PACKAGE}._compiled"
    if name not in sys.modules:
        for module in (f"{PACKAGE}._paths", name):
            path = ROOT / SOURCE_ROOT / f"{module.replace('.', '/')}.py"
            spec = importlib.util.spec_from_file_location(module, path)
            assert spec is not None and spec.loader is not None  # noqa: PT018, S101
            sys.modules[module] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[module])
    return sys.modules[name]


def _toolchain() -> str:
    script = Path(__file__).read_bytes() + _TYPES.read_bytes()
    digest = importlib.util.source_hash(script).hex()
    return f"{sys.implementation.cache_tag} mypy {version('mypy')} {digest}"


def _print(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
