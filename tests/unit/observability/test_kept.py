"""What users' code changes for the whole process is set again, with one warning."""

import io
import logging
import logging.config
import os
import socket
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from algo_panda.observability import kept
from algo_panda.observability.kept import (
    KeptDefaults,
    KeptFolder,
    KeptLog,
    KeptStreams,
    ProcessKeeper,
    keeping_process,
    lasting_stream,
    restore_process,
)

WORKERS = "algo_panda.streaming.worker"
CLIENT = "aiokafka.consumer.group_coordinator"
USERS = "my_strategies.dips"


class Keeps:
    """A worker's log in memory, and what keeps it."""

    def __init__(self) -> None:
        self.text = io.StringIO()
        self.handler = logging.StreamHandler(self.text)
        self.handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
        self.root = logging.getLogger()
        for name in (WORKERS, CLIENT, USERS):
            logging.getLogger(name)
        logging.getLogger(CLIENT).setLevel(logging.ERROR)
        self.root.addHandler(self.handler)
        self.root.setLevel(logging.INFO)
        self.keeper = ProcessKeeper([KeptLog(self.handler)])

    def lines(self) -> list[str]:
        return self.text.getvalue().splitlines()


@pytest.fixture
def keeps() -> Generator[Keeps]:
    root = logging.getLogger()
    before = {one.name: vars(one).copy() for one in loggers()}
    handlers = root.handlers[:]
    yield Keeps()
    logging.disable(logging.NOTSET)
    for one in loggers():
        state = before.get(one.name, {})
        one.setLevel(state.get("level", logging.NOTSET))
        one.propagate, one.disabled = state.get("propagate", True), state.get("disabled", False)
        one.filters = []
    root.handlers = handlers


def loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.getLogger(), *(one for one in known if isinstance(one, logging.Logger))]


def configure_by_dictionary(_: Keeps) -> None:
    logging.config.dictConfig({"version": 1, "root": {"level": "CRITICAL"}})


def configure_handlers_by_dictionary(_: Keeps) -> None:
    handlers = {"null": {"class": "logging.NullHandler"}}
    root = {"handlers": ["null"], "level": "ERROR"}
    logging.config.dictConfig({"version": 1, "handlers": handlers, "root": root})


def configure_by_file(_: Keeps) -> None:
    text = (
        "[loggers]\nkeys=root\n[handlers]\nkeys=null\n[formatters]\nkeys=\n"
        "[logger_root]\nhandlers=null\n[handler_null]\nclass=NullHandler\nargs=()\n"
    )
    logging.config.fileConfig(io.StringIO(text))


def disable(_: Keeps) -> None:
    logging.disable(logging.CRITICAL)


def configure_anew(_: Keeps) -> None:
    logging.basicConfig(force=True, level=logging.CRITICAL, stream=io.StringIO())


def clear_the_root(_: Keeps) -> None:
    logging.getLogger().handlers.clear()


def raise_the_handler(keeps: Keeps) -> None:
    keeps.handler.setLevel(logging.CRITICAL)


def filter_the_handler(keeps: Keeps) -> None:
    keeps.handler.addFilter(lambda _: False)


def raise_the_package(_: Keeps) -> None:
    logging.getLogger("algo_panda").setLevel(logging.CRITICAL)


def cut_off_the_package(_: Keeps) -> None:
    logging.getLogger("algo_panda").propagate = False


def filter_the_package(_: Keeps) -> None:
    logging.getLogger(WORKERS).addFilter(lambda _: False)


def shut_down(_: Keeps) -> None:
    logging.shutdown()
    logging.getLogger(WORKERS).disabled = True


CHANGES: list[Callable[[Keeps], None]] = [
    configure_by_dictionary,
    configure_handlers_by_dictionary,
    configure_by_file,
    disable,
    configure_anew,
    clear_the_root,
    raise_the_handler,
    filter_the_handler,
    raise_the_package,
    cut_off_the_package,
    filter_the_package,
    shut_down,
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_log_is_as_before_and_one_warning_says_so(
    keeps: Keeps, change: Callable[[Keeps], None]
) -> None:
    for _ in range(3):
        change(keeps)
        logging.getLogger(WORKERS).error("this one is lost")
        keeps.keeper.restore()
    logging.getLogger(WORKERS).info("this one is written")
    warning, line = keeps.lines()
    assert warning.startswith("WARNING a strategy, or a library that it uses, changed what belongs")
    assert line == "INFO this one is written"
    assert logging.getLogger(CLIENT).level == logging.ERROR


def test_nothing_is_reported_as_long_as_nothing_is_changed(keeps: Keeps) -> None:
    logging.getLogger("algo_panda.new").info("a logger that is new")
    logging.getLogger("my_strategies").setLevel(logging.DEBUG)  # their own is theirs
    logging.getLogger(USERS).disabled = True
    keeps.keeper.restore()
    assert keeps.lines() == ["INFO a logger that is new"]
    assert logging.getLogger(USERS).disabled


def test_who_writes_after_a_strategy_has_closed_the_standard_streams_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as file, (tmp_path / "closed").open("w") as closed:
        closed.close()
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, file)
        log = lasting_stream(sys.stderr)
        streams = KeptStreams()
        for number in range(2):
            log.close()
            sys.stdout.close()
            sys.stderr.close()
            log.write(f"the log {number}\n")
            sys.stderr.write(f"a library {number}\n")
            assert streams.restore() == []
        sys.stdout = closed
        assert streams.restore() == ["sys.stdout was replaced with a stream that is closed"]
        sys.stdout.write("print\n")
        streams.release()
        assert sys.stdout is sys.stderr is file
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ["the log 0", "a library 0", "the log 1", "a library 1", "print"]


def test_a_stream_that_is_no_file_is_taken_as_it_is() -> None:
    memory = io.StringIO()
    assert lasting_stream(memory) is memory


def test_the_working_directory_and_defaults(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    folder, defaults, limit = KeptFolder(), KeptDefaults(), sys.getrecursionlimit()
    os.chdir("elsewhere")
    (change,) = folder.restore()
    assert change == f"the working directory was changed to {tmp_path / 'elsewhere'}"
    assert Path.cwd() == tmp_path
    assert folder.restore() == ()
    socket.setdefaulttimeout(0.001)
    sys.setrecursionlimit(limit - 1)
    assert len(defaults.restore()) == 2
    assert (socket.getdefaulttimeout(), sys.getrecursionlimit()) == (None, limit)
    sys.setrecursionlimit(limit + 1)
    assert defaults.restore() == []
    sys.setrecursionlimit(limit)


def test_a_worker_looks_by_itself_and_when_it_is_told(
    keeps: Keeps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_LOOK_SECONDS", 0.01)
    logging.disable(logging.NOTSET)
    restore_process()  # nobody keeps it yet
    with keeping_process(keeps.handler):
        logging.disable(logging.CRITICAL)
        while logging.root.manager.disable:
            os.sched_yield()
    monkeypatch.setattr(kept, "_LOOK_SECONDS", 3600)
    with keeping_process(keeps.handler):
        logging.disable(logging.CRITICAL)
        restore_process()
        assert not logging.root.manager.disable
