"""Marks of records: identify a record, to check later that its offset still has it."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple, Self

from algo_panda.streaming.operator import Message, MessageHeaders, StateFormatError

MARKS_HEADER = "last-records"
"""Header of checkpoint records.

No output depends on marks, so they are not part of the checkpoint's value: a version that does not
know them ignores the header.
"""

_DIGEST_BYTES = 16


class RecordMark(NamedTuple):
    """Last processed record of a topic at a checkpoint."""

    offset: int
    timestamp_ms: int
    digest: str
    """Of key and value."""

    @classmethod
    def of(cls, message: Message) -> Self:
        """Mark a record as the client gives it."""
        digest = blake2b(digest_size=_DIGEST_BYTES)
        for part in (message.key(), message.value()):
            # With their lengths: what belongs to the key must not look as if of the value.
            digest.update(b"-" if part is None else b"%d:" % len(part) + part)
        return cls(message.offset() or 0, message.timestamp()[1], digest.hexdigest())


def encode_marks(marks: Mapping[str, RecordMark]) -> list[tuple[str, str | bytes | None]] | None:
    """Write marks, by topic name, as headers; None if there are none."""
    if not marks:
        return None
    fields = {topic: mark._asdict() for topic, mark in sorted(marks.items())}
    return [(MARKS_HEADER, json.dumps(fields, separators=(",", ":")).encode())]


def header_value(headers: MessageHeaders, wanted: str) -> bytes | None:
    """Return the value of the first header of this name, or None."""
    pairs = headers.items() if isinstance(headers, dict) else headers or ()
    value = next((value for name, value in pairs if name == wanted), None)
    return value.encode() if isinstance(value, str) else value


def decode_marks(headers: MessageHeaders) -> dict[str, RecordMark]:
    """Read what ``encode_marks`` gave; nothing if an earlier version wrote the checkpoint.

    Raises:
        StateFormatError: the header has another form.
    """
    found = header_value(headers, MARKS_HEADER)
    if found is None:
        return {}
    try:
        return {
            str(topic): RecordMark(
                int(fields["offset"]), int(fields["timestamp_ms"]), str(fields["digest"])
            )
            for topic, fields in json.loads(found).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateFormatError(
            f"the header {MARKS_HEADER} of the checkpoint is invalid: {type(error).__name__}:"
            f" {error}"
        ) from error
