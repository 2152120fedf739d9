"""Writes the reference pages that follow from the code: ``docs/configuration.md``, ``docs/cli.md``.

``python tools/generate_docs.py`` writes them; with ``--check`` it only says whether they are
up to date (exit code 1 where not).
"""

import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typer.cli import get_docs_for_click
from typer.main import get_command

from algo_panda.cli.main import app
from algo_panda.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"

CONFIGURATION = """\
# Configuration

Every setting is an environment variable, or a line in a file `.env` in the current directory.
The environment goes before the file. `panda` names a variable whose value it cannot use and ends
with exit code 3; it warns of one that begins with `PANDA_` and is no setting.

| variable | default | meaning |
|---|---|---|
"""

CLI = """\
# Command line

Data goes to stdout, everything else to stderr; `--json` where a program may want to read.

| exit code | meaning |
|---|---|
| 0 | it worked |
| 1 | it did not, and the reason is none of those below |
| 2 | the command was called wrongly |
| 3 | a setting, an option or a strategy row cannot be used |
| 4 | Kafka: no broker, refused, a topic is missing or not as declared |
| 5 | the database: not there, refused, or not at the right revision |
| 6 | the data is wrong: a bad row, an unreadable file or record |
| 7 | a worker stalled, and `PANDA_EXIT_ON_STALL` is set |
| 9 | `panda replay --verify-live`: live and replay differ |
| 10 | `panda topics plan --check`: something is not as declared |
| 130 | interrupted with Ctrl-C |

"""


def configuration() -> str:
    """The page of settings."""
    rows = [_row(name, field) for name, field in Settings.model_fields.items()]
    return CONFIGURATION + "\n".join(rows) + "\n"


def cli() -> str:
    """The page of commands."""
    command = get_command(app)
    pages = get_docs_for_click(obj=command, ctx=typer.Context(command), name="panda")
    return CLI + pages.strip() + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = field.default
    if default is PydanticUndefined:
        shown = {"data_dir": "the user's data directory"}.get(name, "`{}`")
    else:
        shown = "unset" if default is None or default == "" else f"`{default}`"
    return f"| `PANDA_{name.upper()}` | {shown} | {field.description or ''}{_choices(field)} |"


def _choices(field: FieldInfo) -> str:
    # Optional[Literal[...]] has the choices one level below.
    for annotation in (field.annotation, *get_args(field.annotation)):
        if get_origin(annotation) is Literal:
            return f" One of {', '.join(f'`{choice}`' for choice in get_args(annotation))}."
    return ""


def main() -> int:
    """Write, or check."""
    stale = []
    for page, text in (("configuration.md", configuration()), ("cli.md", cli())):
        path = DOCS / page
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(page)
            if "--check" not in sys.argv:
                path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"not up to date: {', '.join(stale)}; run 'make docs'\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
