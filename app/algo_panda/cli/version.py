"""``panda version``: the version, and which code runs."""

from importlib.metadata import version as distribution_version

import typer


def version() -> None:
    """Print the version, and whether compiled code or its source runs.

    Compiled code runs only if it was built from the installed source.
    """
    from algo_panda.runner import partition

    is_compiled = not str(partition.__file__).endswith(".py")
    runs = "compiled" if is_compiled else "not compiled, so slower"
    typer.echo(f"{distribution_version('algo-panda')} ({runs})")
