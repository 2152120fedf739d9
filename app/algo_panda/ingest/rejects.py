"""Keeps the bad rows of a run in a file of their own, in the format they came in."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

from algo_panda.domain.errors import ConfigurationError
from algo_panda.ingest.source import BadRow, RejectsWriter
from algo_panda.ingest.text_file import create_text


class UnwritableRejectsError(ConfigurationError):
    """The rejects file cannot be written."""


class Rejects:
    """The rejects file of a run; made with the first bad row, so that a clean run leaves none."""

    def __init__(self, path: Path, writer: RejectsWriter) -> None:
        self.path = path
        self._writer = writer

    def write(self, bad: BadRow) -> None:
        """Append ``bad``.

        Raises:
            UnwritableRejectsError: the file exists by now, or the disk refuses.
        """
        try:
            self._writer.write(bad)
        except OSError as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Finish the file, if there is one.

        Raises:
            UnwritableRejectsError: the disk refuses.
        """
        try:
            self._writer.close()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> UnwritableRejectsError:
        return UnwritableRejectsError(f"{self.path} cannot be written: {error.strerror or error}")


class RejectedLines:
    """One line of text for each bad row, as ``render`` puts row and reason together."""

    def __init__(
        self, path: Path, *, render: Callable[[BadRow], str], header: str | None = None
    ) -> None:
        self._path = path
        self._render = render
        self._header = header
        self._file: IO[str] | None = None

    def write(self, bad: BadRow) -> None:
        """Append ``bad``.

        Raises:
            OSError: the file exists, or cannot be written.
        """
        if self._file is None:
            self._file = create_text(self._path)
            if self._header is not None:
                self._file.write(self._header + "\n")
        self._file.write(self._render(bad) + "\n")

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._file is not None:
            self._file.close()
