"""Which errors are the user's Ctrl-C, and which the called code's own."""

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from algo_panda.domain.containment import (
    EscapedError,
    described_whole,
    is_interrupt,
    ordinary,
    text_of,
)


@pytest.fixture
def another_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, lambda *_: None)
    yield
    signal.signal(signal.SIGINT, before)


class OwnInterrupt(KeyboardInterrupt):
    """Nothing that Python raises for a signal."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), True),
        (OwnInterrupt(), False),
        (SystemExit(1), False),
        (GeneratorExit(), False),
        (asyncio.CancelledError(), False),
        (MemoryError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_while_python_handles_the_signal(error: BaseException, expected: bool) -> None:
    assert is_interrupt(error) is expected


@pytest.mark.usefixtures("another_handler")
def test_while_another_handler_has_the_signal() -> None:
    assert not is_interrupt(KeyboardInterrupt())


def test_in_another_thread_where_python_never_raises_it() -> None:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(is_interrupt(KeyboardInterrupt())))
    thread.start()
    thread.join()
    assert seen == [False]


def test_an_error_that_event_loops_take_for_something_else_gets_another_kind() -> None:
    plain, odd = ValueError("no"), SystemExit(0)
    assert ordinary(plain, "work") is plain
    escaped = ordinary(odd, "work")
    assert isinstance(escaped, EscapedError)
    assert (str(escaped), escaped.__cause__) == ("work: SystemExit: 0", odd)


def test_text_that_cannot_be_had() -> None:
    class Kind(type):
        @property
        def __name__(cls) -> str:  # type: ignore[override]
            raise GeneratorExit

    class Unspeakable(BaseException, metaclass=Kind):
        def __str__(self) -> str:
            raise SystemExit

    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return self

    text = described_whole(Unspeakable())
    assert text == "class without a name: (a class without a name whose text cannot be had)"
    assert type(text_of(Text("plain"))) is str
