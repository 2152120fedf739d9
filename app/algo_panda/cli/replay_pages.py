"""The HTML pages that ``panda replay`` writes, where it is asked for them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.extras import missing_modules, remedy, require
from algo_panda.replay.prices import Prices

if TYPE_CHECKING:
    from algo_panda.cli.replay_view import ReplayReport

_notices = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)

_IN_OUTPUT = "report.html"
_ENDINGS = frozenset({".html", ".htm"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The same page, in some places."""

    paths: Sequence[Path]
    listeners: Sequence[Prices]
    """Prices are collected only where a page shows them."""

    @classmethod
    def wanted(
        cls, file: Path | None, folder: Path | None, configs: Iterable[StrategyConfig]
    ) -> "Pages":
        """A page as ``file``, and one in ``folder``; asked before a run, that may take long.

        Raises:
            ConfigurationError: ``file`` is of another kind, or in no folder.
            MissingExtraError: ``file`` is wanted, and the packages for it are not installed.
        """
        paths: list[Path] = []
        if file is not None:
            require("report", "--report")
            if file.suffix.lower() not in _ENDINGS:
                raise ConfigurationError(f"--report {file}: the name of a page ends with .html")
            if file.is_dir() or not file.absolute().parent.is_dir():
                raise ConfigurationError(f"--report {file}: it is no file in a folder that exists")
            paths.append(file)
        if folder is not None and (missing := missing_modules("report")):
            _notices.print(
                f"{_IN_OUTPUT} is not written, because packages are not installed"
                f" ({', '.join(missing)}); {remedy('report')}"
            )
        elif folder is not None:
            paths.append(folder / _IN_OUTPUT)
        tokens = {token for config in configs for token in config.instruments}
        return cls(paths=paths, listeners=[Prices(tokens)] if paths else [])

    def write(self, report: "ReplayReport") -> None:
        """Write them.

        Raises:
            ConfigurationError: a file cannot be written.
        """
        if not self.paths:
            return
        from algo_panda.cli.report.page import page_of

        # A file's name may have bytes that are no text.
        page = page_of(report, self.listeners[0]).encode("utf-8", "backslashreplace")
        for path in self.paths:
            try:
                path.write_bytes(page)
            except OSError as error:
                raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
