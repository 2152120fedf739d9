"""Settings of a form that cannot work are refused by name."""

from pathlib import Path

import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.settings import load_settings


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
