"""Users' own modules: where they are found, and the error if another module hides one."""

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.factory import load_callable


class UserModules:
    """The folders of ``PANDA_STRATEGIES_PATH``, by default the working directory.

    They are the last ones on ``sys.path``: no file there replaces a module of the standard
    library or of an installed package.

    Raises:
        ConfigurationError: a folder does not exist.
    """

    def __init__(self, strategies_path: str | None) -> None:
        self.folders = _working_directory() if not strategies_path else _folders(strategies_path)

    def add_to_path(self) -> None:
        """Append the folders to ``sys.path``."""
        for folder in map(str, self.folders):
            if folder not in sys.path:
                sys.path.append(folder)

    def load(self, path: str) -> Callable[..., Any]:
        """Import what a dotted path names.

        Raises:
            ValueError: it cannot be imported, is not callable, or another module hides it.
        """
        hidden = self._hidden(path.rpartition(".")[0])
        if hidden is not None:
            raise ValueError(f"{path} cannot be imported: {hidden}")
        try:
            return load_callable(path)
        except ValueError as error:
            if isinstance(error.__cause__, ModuleNotFoundError):
                folders = ", ".join(map(str, self.folders))
                raise ValueError(
                    f"{error}; modules of yours are searched in {folders} (PANDA_STRATEGIES_PATH)"
                ) from error
            raise

    def _hidden(self, module: str) -> str | None:
        """Return what hides the user's module of this name, or None."""
        mine = next(filter(None, (file_in(folder, module) for folder in self.folders)), None)
        if mine is None:
            return None
        top = module.partition(".")[0]
        try:
            # None or an error for a submodule: another module has the name of its parent. To find
            # one imports its parent, which may raise anything: ``load_callable`` reports that.
            spec = importlib.util.find_spec(module) or importlib.util.find_spec(top)
        except BaseException as error:
            if is_interrupt(error):
                raise
            spec = importlib.util.find_spec(top)
        if spec is None or (spec.origin is not None and _is_same(spec.origin, mine)):
            return None
        owner, remedy = "an installed package", "rename your module, or uninstall the package"
        if top in sys.stdlib_module_names:
            owner, remedy = "the standard library", "rename your module"
        return f"{mine} is hidden by the module {module} of {owner} ({spec.origin}); {remedy}"


def _working_directory() -> list[Path]:
    try:
        return [Path.cwd()]
    except FileNotFoundError:  # it was removed
        return []


def _folders(strategies_path: str) -> list[Path]:
    folders = [Path(name).absolute() for name in strategies_path.split(os.pathsep) if name]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigurationError(f"PANDA_STRATEGIES_PATH: {folder} is not a folder")
    return folders


def file_in(folder: Path, module: str) -> Path | None:
    """Return the source file of a module in ``folder``, or None."""
    base = folder.joinpath(*module.split("."))
    for file in (base.with_name(f"{base.name}.py"), base / "__init__.py"):
        if file.is_file():
            return file
    return None


def _is_same(origin: str, file: Path) -> bool:
    try:
        return Path(origin).samefile(file)
    except OSError:
        return False
