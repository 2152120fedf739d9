"""Import finder of this package: compiled modules that match the source, or else the source.

``tools/compile.py`` and the wheel build write ``_compiled.json``: the size of each extension
module, and the SHA-256 of each source file that decides what the compiler produced. The finder
compares them when the first compiled module is imported. If one differs, every module runs from
its source, and one warning says so. Nothing is deleted.

Modules of this package that a user's script imports are run within ``TrustedImports``.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
)
from pathlib import Path
from types import ModuleType

from algo_panda._paths import TrustedImports, has_local_folder_first

MANIFEST = "_compiled.json"
PACKAGE = "algo_panda"
SHARED_LIBRARY = f"{PACKAGE}__mypyc"
"""The extension module that holds the code of all compiled modules."""

WARNED = "ALGO_PANDA_STALE_COMPILED_CODE"
"""Set in the environment after the warning, so that child processes do not repeat it."""


class CompiledModules:
    """The compiled modules of one installation, and whether they match its source.

    Args:
        package: the folder of the package; the shared library is beside it.
        suffixes: file name endings of extension modules that this interpreter can load.
    """

    def __init__(self, package: Path, suffixes: Sequence[str] = tuple(EXTENSION_SUFFIXES)) -> None:
        self._package = package
        self._suffixes = tuple(suffixes)

    def files(self) -> list[Path]:
        """Return the extension modules that are installed, the shared library included."""
        return [*sorted(self._in_package()), *sorted(self._shared_library())]

    def mismatch(self) -> str | None:
        """Return why the compiled modules must not run, or None if they match the source."""
        import json

        try:
            manifest = json.loads((self._package / MANIFEST).read_bytes())
            extensions: dict[str, int] = manifest["extensions"]
            sources: dict[str, str] = manifest["sources"]
        except FileNotFoundError:
            return f"{MANIFEST} is missing"
        except (OSError, ValueError, KeyError, TypeError):
            return f"{MANIFEST} cannot be read"
        for name, size in extensions.items():
            try:
                if (self._package.parent / name).stat().st_size != size:
                    return f"{name} is not the file that was built"
            except OSError:
                return f"{name} is missing"
        for name, digest in sources.items():
            try:
                if source_digest(self._package.parent / name) != digest:
                    return f"{name} was changed after it was compiled"
            except OSError:
                return f"{name} is missing"
        return None

    def toolchain(self) -> str | None:
        """Return what built the compiled modules, or None if nobody knows."""
        import json

        try:
            toolchain = json.loads((self._package / MANIFEST).read_bytes())["toolchain"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return str(toolchain)

    def write_manifest(self, sources: Sequence[Path], *, toolchain: str) -> None:
        """Record that the installed extension modules were built from ``sources``.

        Args:
            sources: every source file that decides what the compiler produced.
            toolchain: what built them; compared by ``tools/compile.py`` alone.
        """
        import json

        root = self._package.parent
        manifest = {
            "toolchain": toolchain,
            "extensions": {
                path.relative_to(root).as_posix(): path.stat().st_size for path in self.files()
            },
            "sources": {
                path.relative_to(root).as_posix(): source_digest(path) for path in sorted(sources)
            },
        }
        (self._package / MANIFEST).write_text(json.dumps(manifest, indent=0) + "\n")

    def _in_package(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._package):
            yield from (Path(folder, name) for name in names if name.endswith(self._suffixes))

    def _shared_library(self) -> Iterator[Path]:
        for suffix in self._suffixes:
            path = self._package.parent / f"{SHARED_LIBRARY}{suffix}"
            if path.is_file():
                yield path


def source_digest(path: Path) -> str:
    """Return the SHA-256 of a source file, in hex. Line endings are those of the file."""
    from hashlib import sha256

    return sha256(path.read_bytes()).hexdigest()


class CompiledModuleFinder:
    """Meta path finder of this package: its compiled modules if they are current, else its source.

    Args:
        package: the folder of the package.
        mismatch: returns why compiled modules must not run; called at most once.
    """

    def __init__(self, package: Path, mismatch: Callable[[], str | None]) -> None:
        self._package = package
        self._find_mismatch = mismatch
        self._is_current: bool | None = None

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a module of this package, or the shared library of its compiled modules."""
        if fullname == SHARED_LIBRARY:
            folder = self._package.parent
            finder = FileFinder(str(folder), (ExtensionFileLoader, EXTENSION_SUFFIXES))
            return finder.find_spec(fullname) if self._may_run_compiled() else None
        if not fullname.startswith(f"{PACKAGE}.") or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        is_compiled = spec is not None and isinstance(spec.loader, ExtensionFileLoader)
        if is_compiled and not self._may_run_compiled():
            spec = _source_spec(fullname, path)
        if spec is not None and has_local_folder_first():
            _make_trusted(spec)
        return spec

    def _may_run_compiled(self) -> bool:
        if self._is_current is None:
            reason = self._find_mismatch()
            self._is_current = reason is None
            if reason is not None and not os.environ.get(WARNED):
                import logging

                os.environ[WARNED] = "1"
                logging.getLogger(__name__).warning(
                    "compiled modules are not used: %s. The source runs instead, which is slower. "
                    "In a checkout, run 'make compile'; elsewhere, install the package again.",
                    reason,
                )
        return self._is_current


def install() -> None:
    """Put the finder of this package first, once."""
    package = Path(__file__).parent
    if not any(isinstance(finder, CompiledModuleFinder) for finder in sys.meta_path):
        compiled = CompiledModules(package)
        sys.meta_path.insert(0, CompiledModuleFinder(package, compiled.mismatch))


class _TrustedSource(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with TrustedImports():
            super().exec_module(module)


class _TrustedExtension(ExtensionFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        with TrustedImports():
            super().exec_module(module)


def _make_trusted(spec: ModuleSpec) -> None:
    loader = spec.loader
    if isinstance(loader, ExtensionFileLoader):
        spec.loader = _TrustedExtension(loader.name, loader.path)
    elif isinstance(loader, SourceFileLoader):
        spec.loader = _TrustedSource(loader.name, loader.path)


def _source_spec(fullname: str, path: Sequence[str]) -> ModuleSpec | None:
    for folder in path:
        spec = FileFinder(folder, (SourceFileLoader, SOURCE_SUFFIXES)).find_spec(fullname)
        if spec is not None:
            return spec
    return None
