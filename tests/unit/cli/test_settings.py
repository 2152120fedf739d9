"""Settings of a form that cannot work are refused by name."""

from pathlib import Path

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import Settings, load_settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PANDA_METRICS_PORT", "0"),
        ("PANDA_METRICS_PORT", "65536"),
        ("PANDA_DEV_KAFKA_PORT", "-1"),
        ("PANDA_DEV_CONTROLLER_PORT", "70000"),
        ("PANDA_CHECKPOINT_INTERVAL_SECONDS", "inf"),
        ("PANDA_CHECKPOINT_INTERVAL_SECONDS", "nan"),
        ("PANDA_KAFKA_SESSION_TIMEOUT_SECONDS", "inf"),
        ("PANDA_TRACING_ENDPOINT", "localhost:4318"),
        ("PANDA_TRACING_ENDPOINT", "http://"),
    ],
)
def test_a_value_that_cannot_work_is_refused_with_its_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: "):
        load_settings()


LIMITS = {
    "PANDA_CHECKPOINT_INTERVAL_SECONDS": ("0.05", "3600"),
    "PANDA_CONTROL_TIMEOUT_SECONDS": ("2", "86400"),
    "PANDA_KAFKA_SESSION_TIMEOUT_SECONDS": ("1", "86400"),
    "PANDA_PAPER_EXPIRE_SECONDS": ("1", "1000000000"),
    "PANDA_QUARANTINE_AFTER": ("1", "1000000"),
    "PANDA_SIGNAL_TTL_SECONDS": ("1", "1e9"),
    "PANDA_STALL_SECONDS": ("2", "86400"),
}
"""Smallest and largest value that works: beyond them a worker does nothing, or never says so."""


@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_themselves_are_accepted(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for value in LIMITS[name]:
        monkeypatch.setenv(name, value)
        field = name.removeprefix("PANDA_").lower()
        assert getattr(load_settings(), field) == float(value)


@pytest.mark.parametrize("name", LIMITS)
def test_values_beyond_the_limits_are_refused_with_the_limit(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    is_whole = name in ("PANDA_QUARANTINE_AFTER", "PANDA_PAPER_EXPIRE_SECONDS")
    low, high = (float(limit) for limit in LIMITS[name])
    below = ["0", "-1"] if is_whole else ["0", "-1", "1e-300", str(low * 0.99)]
    above = [str(10**30), str(int(high) + 1)] if is_whole else ["1e300", str(high * 1.01)]
    for value, limit in [(one, low) for one in below] + [(one, high) for one in above]:
        monkeypatch.setenv(name, value)
        with pytest.raises(ConfigurationError, match=f"^{name}: .* than or equal to ") as refused:
            load_settings()
        told = str(refused.value).partition(" equal to ")[2]
        number, _, reason = told.partition("; ")
        assert float(number) == limit
        assert reason == "docs/configuration.md gives the reason"


def test_every_duration_and_count_of_workers_is_bounded_on_both_sides() -> None:
    for name, field in Settings.model_fields.items():
        if name.endswith("_seconds") or name == "quarantine_after":
            given = {type(one).__name__ for one in field.metadata}
            assert {"Ge", "Le"} <= given, name
            assert f"PANDA_{name.upper()}" in LIMITS


def test_what_is_no_json_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_PROCESSORS", "{breakout: x}")
    with pytest.raises(ConfigurationError, match=r"^PANDA_PROCESSORS is no JSON: Expecting prop"):
        load_settings()


def test_spans_may_go_over_http_and_https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for url in ("http://127.0.0.1:4318/v1/traces", "https://otel.example/v1/traces"):
        monkeypatch.setenv("PANDA_TRACING_ENDPOINT", url)
        assert load_settings().tracing_endpoint == url


def test_paths_of_a_worker_do_not_depend_on_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = Settings(
        _env_file=None, data_dir=Path("data"), kafka_ssl_ca=Path("ca.pem"), topics_file=Path("/t")
    )
    settings = given.with_absolute_paths()
    monkeypatch.chdir("/")
    assert settings.data_dir == tmp_path / "data"
    assert settings.kafka_ssl_ca == tmp_path / "ca.pem"
    assert settings.topics_file == Path("/t")
    assert settings.kafka_ssl_cert is None
    assert settings.effective_database_url == f"sqlite:///{tmp_path}/data/panda.db"
