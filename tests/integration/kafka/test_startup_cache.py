"""The cache of classes: used if it is there, and nothing depends on it."""

import shutil
from pathlib import Path

import pytest

from algo_panda.kafka.embedded import EmbeddedKafka
from algo_panda.kafka.jars import default_jar_cache, ensure_jars
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.startup_cache import build_startup_cache, startup_cache, startup_options

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]


@pytest.fixture
def jars(tmp_path: Path) -> tuple[Path, ...]:
    """The jars, in a folder of their own, so that the user's cache stays as it is."""
    folder = tmp_path / "jars"
    folder.mkdir()
    for jar in ensure_jars(default_jar_cache()):
        shutil.copy2(jar, folder)
    return ensure_jars(folder)


def mapped_files(broker: EmbeddedKafka) -> str:
    assert broker._process is not None
    return Path(f"/proc/{broker._process.pid}/maps").read_text()


def test_a_broker_starts_without_with_and_with_a_damaged_cache(
    jars: tuple[Path, ...], tmp_path: Path
) -> None:
    cache, folder = startup_cache(jars), jars[0].parent
    assert startup_options(jars) == ()
    with EmbeddedKafka(tmp_path / "without", *free_ports(2), jar_cache=folder) as broker:
        assert str(cache) not in mapped_files(broker)

    assert build_startup_cache(jars) == cache
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".cache-")) == []
    with EmbeddedKafka(tmp_path / "with", *free_ports(2), jar_cache=folder) as broker:
        assert str(cache) in mapped_files(broker)

    cache.write_bytes(b"not a cache")
    with EmbeddedKafka(tmp_path / "damaged", *free_ports(2), jar_cache=folder) as broker:
        assert str(cache) not in mapped_files(broker)
