"""A thread goes on after any error; and every long-lived thread of the package is such a one."""

import ast
import logging
import threading
from pathlib import Path

import pytest

import algo_panda
from algo_panda.domain.errors import KafkaError
from algo_panda.supervised_thread import SupervisedThread
from tests.support.processes import eventually

NOT_SUPERVISED = {
    "supervised_thread.py": "it is the supervisor",
    "demo/run.py": "publishes once; the demo raises its error",
    "kafka/diagnosis.py": "looks once, for some seconds; its caller goes on without an answer",
    "children.py": "waits for the end of the parent process, and then ends its own",
}
"""Modules that start a thread of another kind, and why an error in it is not lost."""


class Rig:
    """A thread whose steps raise what they are given, in order; then they return."""

    def __init__(self, *errors: BaseException, pause: float = 0.001) -> None:
        self.errors = list(errors)
        self.returned = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.now = 100.0
        self.thread = SupervisedThread(
            "test", self._step, longest_pause=pause, clock=lambda: self.now
        )

    def _step(self, ending: threading.Event) -> None:
        self.go_on.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.returned.set()
        ending.wait(0.001)


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "error",
    [
        KafkaError("a registry answers 503"),
        ZeroDivisionError(),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("a panic of native code"),
        UnprintableError(),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_step_raises_the_next_step_follows(error: BaseException) -> None:
    rig = Rig(error, error)
    rig.thread.start()
    assert rig.returned.wait(30)
    assert rig.thread.is_alive
    assert eventually(lambda: rig.thread.trouble is None)
    assert rig.thread.stop(30)


def test_the_trouble_lasts_from_the_first_failure_until_a_step_returns() -> None:
    rig = Rig(KafkaError("a\nregistry answers 503"), ZeroDivisionError("b"))
    rig.go_on.clear()
    rig.thread.start()
    assert rig.thread.trouble is None
    rig.thread._fail(rig.errors[0])
    rig.now += 7
    assert rig.thread.trouble == (
        "the test thread fails for 7 s: KafkaError: a registry answers 503"
    )
    rig.now += 1
    rig.thread._fail(rig.errors[1])
    assert rig.thread.trouble == "the test thread fails for 8 s: ZeroDivisionError: b"
    assert isinstance(rig.thread.error, ZeroDivisionError)
    rig.errors.clear()
    rig.go_on.set()
    assert eventually(lambda: rig.thread.trouble is None)
    rig.thread.stop(30)


def test_each_distinct_error_is_logged_once_and_its_traceback_at_debug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = KafkaError("one"), KafkaError("two")
    rig = Rig(*[first, second] * 20)
    with caplog.at_level(logging.DEBUG, logger="algo_panda"):
        rig.thread.start()
        assert rig.returned.wait(30)
        rig.thread.stop(30)
    assert lines(caplog) == [
        "thread test: KafkaError: one; trying again",
        "thread test: KafkaError: two; trying again",
    ]
    traces = [record for record in caplog.records if record.exc_info]
    assert [record.levelno for record in traces] == [logging.DEBUG] * 2


def test_after_a_quiet_minute_the_same_error_is_logged_anew(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    for seconds in (0, 1, 59, 62):
        rig.now += seconds
        rig.thread._succeed()
        rig.thread._fail(KafkaError("one"))
    assert len(lines(caplog)) == 2


def test_a_pause_between_two_attempts_does_not_keep_it_from_stopping() -> None:
    rig = Rig(*[KafkaError("one")] * 1000, pause=3600)
    rig.thread._failing = None
    rig.thread.start()
    assert eventually(lambda: len(rig.errors) < 1000)
    assert rig.thread.stop(30)


def test_the_last_call_is_made_once_also_if_steps_fail_and_its_error_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[str] = []

    def last() -> None:
        calls.append(threading.current_thread().name)
        raise KafkaError("too late")

    def step(_ending: threading.Event) -> None:
        raise KafkaError("one")

    thread = SupervisedThread("test", step, last=last)
    thread.start()
    assert thread.stop(30)
    assert calls == ["test"]
    assert lines(caplog)[-1] == "thread test: KafkaError: too late; its last step failed"


def test_a_thread_that_was_never_started_can_be_stopped() -> None:
    assert Rig().thread.stop(30)


def test_no_module_starts_a_thread_that_an_error_could_end_unseen() -> None:
    root = Path(algo_panda.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if any(map(starts_a_thread, ast.walk(ast.parse(path.read_text()))))
    }
    assert found == set(NOT_SUPERVISED)


def starts_a_thread(node: ast.AST) -> bool:
    """Whether it makes a ``Thread``, or a class that is one. Timers and pools have no loop."""
    if isinstance(node, ast.Call):
        return name_of(node.func) in {"Thread", "start_new_thread"}
    return isinstance(node, ast.ClassDef) and "Thread" in map(name_of, node.bases)


def name_of(one: ast.expr) -> str:
    return str(getattr(one, "attr", getattr(one, "id", "")))
