"""Records that cannot be decoded do not end a comparison of live and replayed signals."""

from typing import Any, cast

import pytest

from algo_panda.bootstrap.verification import decoded
from algo_panda.wire.errors import TooShortError


class Record:
    """A record of the topic ``signals``, as far as it is read."""

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset = lambda: offset
        self.value = lambda: value
        self.topic = lambda: "signals"
        self.partition = lambda: 1
        self.timestamp = lambda: (1, 1_700_000_000_000)


def decode(value: bytes | None, _: int) -> bytes:
    if value == b"junk":
        raise TooShortError("the value has 4 bytes")
    return value or b""


def test_an_unusable_record_is_named_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    records = [Record(7, b"a"), Record(8, b"junk"), Record(9, b"b")]
    assert [value for _, value in decoded(cast("Any", records), decode)] == [b"a", b"b"]
    assert caplog.messages == [
        "signals[1] offset 8 cannot be read and is not compared: the value has 4 bytes"
    ]
