import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from algo_panda.kafka.jars import (
    LOCK_FILE,
    JarsUnavailableError,
    LockedJar,
    ensure_jars,
    locked_jars,
)

CONTENT = b"a jar"


def jar(artifact: str, content: bytes = CONTENT) -> LockedJar:
    digest = hashlib.sha256(content).hexdigest()
    return LockedJar(group="g", artifact=artifact, version="1.0", sha256=digest)


class FakeRepository:
    """Serves ``CONTENT`` for every jar, after as many failures as were asked for."""

    def __init__(self, *failures: Exception | bytes) -> None:
        self.failures = list(failures)
        self.fetched: list[str] = []

    def __call__(self, wanted: LockedJar, directory: Path) -> Path:
        assert not list(directory.iterdir()), "each attempt gets an empty directory"
        self.fetched.append(wanted.artifact)
        path = directory / wanted.filename
        match self.failures.pop(0) if self.failures else CONTENT:
            case Exception() as failure:
                path.write_bytes(CONTENT[:2])
                raise failure
            case bytes() as content:
                path.write_bytes(content)
        return path


def test_missing_jars_are_fetched_once_and_kept(tmp_path: Path) -> None:
    repository = FakeRepository()
    wanted = [jar("a"), jar("b")]

    paths = ensure_jars(tmp_path / "cache", wanted, fetch=repository)
    again = ensure_jars(tmp_path / "cache", wanted, fetch=repository)

    assert [path.name for path in paths] == ["a-1.0.jar", "b-1.0.jar"]
    assert paths == again
    assert all(path.read_bytes() == CONTENT for path in paths)
    assert sorted(repository.fetched) == ["a", "b"]


def test_a_jar_that_was_damaged_in_the_cache_is_fetched_anew(tmp_path: Path) -> None:
    repository = FakeRepository()
    (path,) = ensure_jars(tmp_path, [jar("a")], fetch=repository)
    path.write_bytes(b"bit rot")

    ensure_jars(tmp_path, [jar("a")], fetch=repository)

    assert path.read_bytes() == CONTENT
    assert repository.fetched == ["a", "a"]


@pytest.mark.parametrize("failure", [ConnectionError("reset"), RuntimeError("503"), b"cut sho"])
def test_a_download_that_fails_once_is_tried_again(
    tmp_path: Path, failure: Exception | bytes
) -> None:
    repository = FakeRepository(failure)

    (path,) = ensure_jars(tmp_path, [jar("a")], fetch=repository)

    assert path.read_bytes() == CONTENT
    assert repository.fetched == ["a", "a"]


def test_without_a_network_the_first_line_says_what_to_do(tmp_path: Path) -> None:
    repository = FakeRepository(*[ConnectionError("unreachable")] * 3)

    with pytest.raises(JarsUnavailableError) as caught:
        ensure_jars(tmp_path, [jar("a")], fetch=repository)

    first, second = str(caught.value).splitlines()
    assert first.startswith("cannot download a-1.0.jar for the embedded Kafka")
    assert "PANDA_KAFKA_BOOTSTRAP_SERVERS" in first
    assert str(tmp_path) in first
    assert second.strip() == "ConnectionError: unreachable"


def test_a_jar_other_than_the_locked_one_is_never_kept(tmp_path: Path) -> None:
    repository = FakeRepository(*[b"evil"] * 3)

    with pytest.raises(JarsUnavailableError, match="SHA-256 differs"):
        ensure_jars(tmp_path, [jar("a")], fetch=repository)

    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_first_starts_at_the_same_time_download_each_jar_once(tmp_path: Path) -> None:
    repository = FakeRepository()
    wanted = [jar(name) for name in "abcdefgh"]

    def start(_: int) -> tuple[Path, ...]:
        return ensure_jars(tmp_path, wanted, fetch=repository)

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(start, range(4)))

    assert len(set(results)) == 1
    assert sorted(repository.fetched) == list("abcdefgh")


def test_progress_counts_up_to_all_jars(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    ensure_jars(tmp_path, [jar("a")], fetch=FakeRepository())

    ensure_jars(
        tmp_path,
        [jar("a"), jar("b"), jar("c")],
        fetch=FakeRepository(),
        on_progress=lambda ready, total: seen.append((ready, total)),
    )

    assert seen == [(2, 3), (3, 3)]


def test_the_lock_pins_kafka_with_checksums_and_names_no_host() -> None:
    jars = locked_jars()

    assert "://" not in LOCK_FILE.read_text()
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert len({jar.filename for jar in jars}) == len(jars)
    versions = {jar.artifact: jar.version for jar in jars}
    kafka = {name: version for name, version in versions.items() if name.startswith("kafka")}
    assert {"kafka_2.13", "kafka-clients", "kafka-server"} <= kafka.keys()
    assert set(kafka.values()) == {"4.2.0"}
