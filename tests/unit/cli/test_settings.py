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
