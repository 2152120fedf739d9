"""A command group that imports the module of a command when the command is used.

``panda --help`` then imports no module of a command, and each command only its own.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """Where a command or a group of commands is, and its line in the list of commands."""

    path: str
    """``module:attribute``, the module in this package."""
    help: str

    def load(self, name: str) -> Any:  # noqa: ANN401 - a class of click that typer keeps private
        """Import the module, and build the command."""
        module, _, attribute = self.path.partition(":")
        found = getattr(import_module(f"algo_panda.cli.{module}"), attribute)
        parent = typer.Typer(rich_markup_mode=None)
        parent.callback()(_force_group)
        if isinstance(found, typer.Typer):
            parent.add_typer(found, name=name)
        else:
            parent.command(name)(found)
        return cast("Any", get_group(parent)).commands[name]


class LazyGroup(TyperGroup):
    """A group whose subclass lists its commands in ``lazy``."""

    lazy: ClassVar[dict[str, LazyCommand]]
    commands: Any  # click's classes have no public types
    _lists_only = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names, in the order in which they are listed."""
        return list(self.lazy)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        """Return a command, imported now if it was not yet; None if there is none."""
        lazy = self.lazy.get(cmd_name)
        if lazy is None:
            return None
        if self._lists_only:
            return TyperCommand(cmd_name, help=lazy.help)
        if cmd_name not in self.commands:
            self.commands[cmd_name] = lazy.load(cmd_name)
        return self.commands[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """List the commands by the help text given here, without importing them."""
        self._lists_only = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._lists_only = False


def _force_group() -> None:
    """Make typer build a group, also of one command."""
