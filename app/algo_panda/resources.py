"""Finds the data folders (``schemas``, ``topics``) in a checkout and in an installed wheel."""

from pathlib import Path


def resource_dir(name: str) -> Path:
    """The folder ``name``: packaged beside this module, or at the top of the checkout.

    Raises:
        FileNotFoundError: neither is there; the installation is broken.
    """
    package = Path(__file__).parent
    for candidate in (package / "_resources" / name, package.parents[1] / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the folder {name!r} is missing beside {package}")
