"""How log lines look, and who is not heard."""

import json
import logging
from collections.abc import Generator

import pytest
import structlog
from aiokafka.protocol.admin import SaslAuthenticateRequest_v1

from algo_panda.observability.logs import configure_logging
from algo_panda.streaming.group_trouble import GroupTrouble


@pytest.fixture(autouse=True)
def logging_as_before() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # what is there is not ours to close
    levels = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    yield
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger):
            logger.setLevel(levels.get(name, logging.NOTSET))
    root.handlers = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()


def test_json_is_one_object_a_line_with_the_context(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json", worker="runner-1")

    logging.getLogger("algo_panda.somewhere").warning("%d ticks lost", 3)

    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    told = json.loads(line)
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "3 ticks lost",
        "level": "warning",
        "logger": "algo_panda.somewhere",
        "worker": "runner-1",
    }


def test_an_exception_stays_on_the_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")

    try:
        int("boom")
    except ValueError:
        logging.getLogger("algo_panda.somewhere").exception("it failed")

    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


@pytest.mark.parametrize(
    "name",
    ["faust", "faust.worker", "mode.services", "aiokafka.consumer", "algo_panda.kafka.librdkafka"],
)
def test_libraries_are_quiet_unless_one_debugs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info", "json")
    logging.getLogger(name).error("connection refused")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["faust", "algo_panda.kafka.librdkafka"])
def test_who_debugs_hears_libraries(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("debug", "json")
    logging.getLogger(name).error("connection refused")
    assert json.loads(capsys.readouterr().err)["logger"] == name


def test_what_is_below_the_level_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "console")
    logging.getLogger("algo_panda.somewhere").info("not this")
    logging.getLogger("algo_panda.somewhere").warning("but this")
    err = capsys.readouterr().err
    assert "but this" in err
    assert "not this" not in err


def test_a_login_is_not_logged_at_any_level(capsys: pytest.CaptureFixture[str]) -> None:
    request = SaslAuthenticateRequest_v1(b"ann\0ann\0canary")
    line = ("Request to %s:%d %d: %s", "h", 1, 3)
    assert "canary" in repr(request), "what aiokafka logs at level debug"

    configure_logging("debug", "console")
    logging.getLogger("aiokafka.conn").debug(*line, request)
    logging.getLogger("aiokafka.conn").debug(*line, "Metadata")

    told = capsys.readouterr().err
    assert "canary" not in told
    assert "Metadata" in told


@pytest.mark.parametrize("level", ["info", "debug"])
def test_errors_of_the_group_are_taken_also_where_the_client_s_lines_are_not_shown(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level, "json")
    now = [0.0]
    group = GroupTrouble("panda-runner", lambda: now[0])
    client = logging.getLogger("aiokafka.consumer.group_coordinator")
    with group.listening():
        for _ in range(40):
            now[0] += 0.1
            client.error("failed: %s", 15)
            client.error("OffsetCommit failed for group g due to group error")
            client.warning("this is not one")
            logging.getLogger("aiokafka").error("Unable connect to node with id 2")
    client.error("after the end")
    assert str(group.trouble).endswith("for 4 s: failed: 15")
    assert ("failed: 15" in capsys.readouterr().err) is (level == "debug")
