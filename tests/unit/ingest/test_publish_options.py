from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.cli.tick_files import open_tick_files
from algo_panda.domain.errors import BadInputError, ConfigurationError, KafkaError, PandaError
from algo_panda.ingest.source import BadRow, LocatedTick
from algo_panda.ingest.times import TimeFormat

HEADER = "instrument_token,event_time,last_price\n"


@pytest.fixture(autouse=True)
def no_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What gets past its options fails at the broker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", raising=False)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "ticks.csv"
    path.write_text(HEADER)
    return str(path)


def refusal(*arguments: str) -> PandaError:
    error = CliRunner().invoke(app, ["publish", *arguments]).exception
    assert isinstance(error, PandaError), error
    return error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to publish: name tick files, or use --synthetic"),
        (("x.csv", "--synthetic"), "publish files, or --synthetic ticks: not both"),
        (("x.csv", "--seed", "7"), "--seed is for --synthetic"),
        (("x.csv", "--tick-rate", "7"), "--tick-rate is for --synthetic"),
        (("--synthetic", "--column", "last_price=ltp"), "--column is for files"),
        (("--synthetic", "--on-error", "stop"), "--on-error is for files"),
        (("--synthetic", "--rate", "5", "--speed", "1x"), "contradict each other: choose one"),
        (("--synthetic", "--speed", "fast"), "--speed fast: write it as 1x, 10x, 0.5x"),
        (("--synthetic", "--speed", "0x"), "--speed 0x: write it as 1x, 10x, 0.5x"),
        (("--synthetic", "--instruments", "1,x"), "--instruments 1,x: write it as 1001,1002"),
        (("--synthetic", "--instruments", "0"), "synthetic ticks need instruments, with positive"),
        (("--synthetic", "--start", "today"), "--start today: give a past time with its zone"),
        (("--synthetic", "--start", "2025-01-01T00:00:00"), "give a past time with its zone"),
        (("--synthetic", "--start", "2999-01-01T00:00:00Z"), "give a past time with its zone"),
        (("--synthetic", "--tick-rate", "nan"), "synthetic ticks come at more than 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(arguments: tuple[str, ...], message: str) -> None:
    error = refusal(*arguments)
    assert isinstance(error, ConfigurationError)
    assert message in str(error)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--column", "last_price"), "--column last_price: write it as FIELD=NAME"),
        (("--column", "ltp=last_price"), "a tick has no field 'ltp'"),
        (("--timezone", "Mars/Olympus"), "--timezone Mars/Olympus: there is no such zone"),
        (("--timezone", "../etc"), "--timezone ../etc: there is no such zone"),
        (("--rejects", "r.csv"), "--rejects is for --on-error skip"),
        (("--on-error", "skip"), "--on-error skip needs --rejects FILE"),
        (("--on-error", "skip", "--rejects", "r.parquet"), "r.parquet would hold CSV rows"),
    ],
)
def test_options_for_files_are_checked_before_anything_is_sent(
    arguments: tuple[str, ...], message: str, file: str
) -> None:
    error = refusal(file, *arguments)
    assert isinstance(error, ConfigurationError)
    assert message in str(error)


def test_a_file_is_looked_at_before_the_broker_is() -> None:
    assert isinstance(refusal("none.csv"), BadInputError)


@pytest.mark.parametrize(
    "arguments", [("--speed", "10x"), ("--speed", "0.5"), ("--rate", "0.5"), ("--limit", "1")]
)
def test_without_a_broker_there_is_nothing_to_publish_to(arguments: tuple[str, ...]) -> None:
    error = refusal("--synthetic", *arguments)
    assert isinstance(error, KafkaError)
    assert "no Kafka: set PANDA_KAFKA_BOOTSTRAP_SERVERS or run 'panda dev up'" in str(error)


def test_ticks_from_further_ahead_than_readers_believe_are_bad_rows(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    path = tmp_path / "ahead.csv"
    path.write_text(
        HEADER
        + "".join(f"1,{(now + timedelta(hours=hours)).isoformat()},1\n" for hours in (-1, 23, 25))
    )
    (source,) = open_tick_files([path], [], TimeFormat.ISO, None)
    assert [type(row) for row in source] == [LocatedTick, LocatedTick, BadRow]
