"""Names the ``PANDA_*`` variables that are no setting: a slip of the pen is else passed over."""

import os
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from pydantic_settings import DotEnvSettingsSource
from rich.console import Console

from algo_panda.settings import Settings

_PREFIX = "PANDA_"
_FOR_OTHERS = ("PANDA_IMAGE", "PANDA_TEST_", "PANDA_E2E_")
"""How names begin that docker-compose.yml and the project's tests read."""

_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)


def warn_of_unknown_variables() -> None:
    """One line on stderr for each, with the nearest name there is, and never a value."""
    for line in _warnings("the environment", os.environ):
        _notices.print(line)
    for line in _warnings(".env", _names_in_env_file()):
        _notices.print(line)


def _warnings(where: str, names: Iterable[str]) -> Iterator[str]:
    known = [name.upper() for name in Settings.model_fields]
    for given in names:
        name = given.upper()
        if not name.startswith(_PREFIX) or name.startswith(_FOR_OTHERS):
            continue
        name = name.removeprefix(_PREFIX)
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {_PREFIX}{near[0]}?" if near else ""
            yield f"warning: {given} in {where} is no setting, and is ignored{hint}"


def _names_in_env_file() -> Iterable[str]:
    try:
        return [name.upper() for name in DotEnvSettingsSource(Settings).env_vars]
    except (OSError, ValueError):
        return []  # what is wrong with the file is said where settings are read
