"""Identity of the code of a module: the release of its distribution, or a digest of files."""

import ast
import csv
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, distributions, version
from pathlib import Path
from typing import NamedTuple

from algo_panda.bootstrap.user_modules import UserModules, file_in
from algo_panda.domain.containment import is_interrupt

UNKNOWN = "unknown"
"""Identity of a module that is not a file, or cannot be found."""

_PACKAGE, _DISTRIBUTION = "algo_panda", "algo-panda"


class _Source(NamedTuple):
    """A file as it was when it was first looked at."""

    digest: bytes
    imports: frozenset[str]
    """Names of modules that it may import, as far as its text names them."""


class CodeIdentities:
    """Identities of modules, taken when they are about to be imported.

    A file that is edited later does not change the code that runs.
    """

    def __init__(self, modules: UserModules) -> None:
        self._folders = modules.folders
        self._found: dict[str, str] = {}
        self._sources: dict[Path, _Source] = {}

    def note(self, module: str) -> None:
        """Take the identity of a module that is imported next."""
        self._found[module] = self._identify(module)

    def of(self, module: str) -> str:
        """Return what identifies the code of ``module``: ``NAME VERSION`` or ``sha256:DIGEST``.

        The digest is over the file and the loose files that it imports, directly or not: those in
        the folders of ``PANDA_STRATEGIES_PATH``, and those of its own package.
        """
        if module not in self._found:
            self.note(module)
        return self._found[module]

    def _identify(self, module: str) -> str:
        if module.partition(".")[0] == _PACKAGE:
            return f"{_DISTRIBUTION} {version(_DISTRIBUTION)}"
        spec = _spec(module)
        if spec is None or spec.origin is None or not Path(spec.origin).is_file():
            return UNKNOWN
        root = _root(spec, module)
        distribution = _distribution(root, Path(spec.origin))
        if distribution is not None:
            return f"{distribution.metadata['Name']} {distribution.version}"
        return f"sha256:{self._digest(module, Path(spec.origin), root)}"

    def _digest(self, module: str, file: Path, root: Path) -> str:
        """Hash a file and all that it imports; where the files are does not matter."""
        top = module.partition(".")[0]
        files, pending = {module: file}, [module]
        while pending:
            name = pending.pop()
            for imported in {*_parents(name), *self._source(files[name], name).imports}:
                folders = self._folders
                if imported.partition(".")[0] == top:
                    folders = [root, *folders]
                found = None if imported in files else _loose_file(imported, folders)
                if found is not None:
                    files[imported] = found
                    pending.append(imported)
        whole = hashlib.sha256()
        for name in sorted(files):
            whole.update(f"{name}\0".encode() + self._source(files[name], name).digest)
        return whole.hexdigest()

    def _source(self, file: Path, module: str) -> _Source:
        """Read a file; what was imported from it stays as it was first read."""
        found = self._sources.get(file)
        if found is None or module not in sys.modules:
            found = self._sources[file] = _read(file, module)
        return found


def _spec(module: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(module)
    except BaseException as error:  # it imports the parents, which may raise anything
        if is_interrupt(error):
            raise
        return None


def _root(spec: ModuleSpec, module: str) -> Path:
    """Return the folder that the top of the module's package is in."""
    is_package = spec.submodule_search_locations is not None
    return Path(spec.origin or "").parents[module.count(".") + is_package]


def _distribution(root: Path, file: Path) -> Distribution | None:
    """Return the installed distribution that ``file`` is a part of.

    A distribution that was installed for editing has no files there: its code is as loose as any.
    """
    name = file.relative_to(root).as_posix()
    for one in distributions(path=[str(root)]):
        record = one.read_text("RECORD") or ""
        # The search for text is quicker than to parse some thousand lines.
        if name in record and any(row and row[0] == name for row in csv.reader(record.split("\n"))):
            return one
    return None


def _loose_file(module: str, folders: Sequence[Path]) -> Path | None:
    if module.partition(".")[0] in {_PACKAGE, *sys.stdlib_module_names}:
        return None
    return next(filter(None, (file_in(folder, module) for folder in folders)), None)


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _read(file: Path, module: str) -> _Source:
    try:
        text = file.read_bytes()
    except OSError:
        text = b""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return _Source(hashlib.sha256(text).digest(), frozenset(_imports(text, package)))


def _imports(text: bytes, package: str) -> Iterator[str]:
    """Yield the modules that a source text may import, with their parents."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return  # no source text, or none that Python can run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            named = [base, *(f"{base}.{alias.name}" for alias in node.names)] if base else []
        else:
            continue
        for name in named:
            yield name
            yield from _parents(name)


def _base(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module after ``from``."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    kept = parts[: len(parts) - node.level + 1]
    return ".".join([*kept, *([node.module] if node.module else [])])
