"""Writes bad rows of text files to a file of the same format."""

from collections.abc import Callable
from pathlib import Path
from typing import IO

from app.ingest.source import BadRow
from app.ingest.text_file import create_text


class RejectedLines:
    """One line for each bad row, as ``render`` puts row and reason together.

    The file is made with the first one; a run without bad rows leaves none.
    """

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
