"""Lines of a text file, plain or compressed, with how much of it has been read."""

import gzip
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, BinaryIO, cast

from algo_panda.ingest.source import UnreadableSourceError

ENCODING = "utf-8-sig"
"""UTF-8, with or without the mark that spreadsheets put in front."""

ERRORS = "surrogateescape"
"""Bytes that are not UTF-8 make their row a bad one, and come out as they went in."""


class TextFile:
    """A file of lines; ``.gz`` at the end of its name means compressed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._raw: BinaryIO | None = None
        self._size = 0
        self._finished = False

    @property
    def fraction_read(self) -> float:
        """By bytes on disk, 0 to 1."""
        if self._finished:
            return 1.0
        if self._raw is None or self._size == 0:
            return 0.0
        return min(1.0, self._raw.tell() / self._size)

    @contextmanager
    def open(self) -> Generator[IO[str]]:
        """The lines, from the first.

        Raises:
            UnreadableSourceError: it cannot be opened, or breaks off while it is read.
        """
        self._finished = False
        try:
            with self.path.open("rb") as raw:
                self._raw, self._size = raw, self.path.stat().st_size
                with TextIOWrapper(self._bytes(raw), encoding=ENCODING, errors=ERRORS) as lines:
                    yield lines
                self._finished = True
        except EOFError as error:
            raise UnreadableSourceError(f"{self.path} breaks off: {error}") from error
        except (OSError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UnreadableSourceError(f"{self.path} cannot be read: {reason}") from error
        finally:
            self._raw = None

    def _bytes(self, raw: BinaryIO) -> BinaryIO:
        if self.path.suffix.lower() == ".gz":
            return cast("BinaryIO", gzip.GzipFile(fileobj=raw, mode="rb"))
        return raw


def create_text(path: Path) -> IO[str]:
    """A new file to write lines to; ``.gz`` at the end of its name means compressed.

    Raises:
        OSError: it exists, or cannot be made.
    """
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "xt", encoding="utf-8", errors=ERRORS)
    return path.open("x", encoding="utf-8", errors=ERRORS)
