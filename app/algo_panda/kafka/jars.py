"""The jars of the embedded broker: exactly those of the lock, kept in the user's cache.

They come from Maven Central through jgo's pure-Python resolver, so neither Maven nor Java is
needed. A mirror set as ``[repositories] central = URL`` in jgo's settings file is used instead.
"""

import fcntl
import hashlib
import tempfile
import tomllib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import platformdirs

from algo_panda.domain.errors import KafkaError

LOCK_FILE = Path(__file__).with_name("kafka.lock.toml")

_TRIES = 3
_PARALLEL_DOWNLOADS = 8
_TIMEOUT_SECONDS = 15


class JarsUnavailableError(KafkaError):
    """A jar of the embedded broker is not in the cache and cannot be downloaded as locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedJar:
    """One jar: its Maven coordinates and the SHA-256 of its bytes, in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def filename(self) -> str:
        """The name of the file, on Maven Central and in the cache."""
        return f"{self.artifact}-{self.version}.jar"


Fetch = Callable[[LockedJar, Path], Path]
"""Downloads a jar into the empty directory given and returns its path there."""


def locked_jars(lock_file: Path = LOCK_FILE) -> tuple[LockedJar, ...]:
    """Read the lock."""
    entries: list[dict[str, Any]] = tomllib.loads(lock_file.read_text())["dependencies"]
    return tuple(
        LockedJar(
            group=entry["groupId"],
            artifact=entry["artifactId"],
            version=entry["version"],
            sha256=entry["sha256"],
        )
        for entry in entries
    )


def default_jar_cache() -> Path:
    """Where jars are kept, for all projects and checkouts of this user."""
    return platformdirs.user_cache_path("algo-panda") / "jars"


def download(jar: LockedJar, directory: Path) -> Path:
    """Fetch one jar with jgo.

    Raises:
        OSError, RuntimeError: there is no network, or the repository does not have it.
    """
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(
        resolver=PythonResolver(),
        repo_cache=directory,
        remote_repos={"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
        timeout=_TIMEOUT_SECONDS,
    )
    return context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()


def ensure_jars(
    cache: Path,
    jars: Sequence[LockedJar] | None = None,
    *,
    fetch: Fetch = download,
    on_progress: Callable[[int, int], None] = lambda _ready, _total: None,
) -> tuple[Path, ...]:
    """Make sure that every jar is in ``cache``, byte for byte as locked.

    Safe to call from several processes at once: one downloads, the others wait for it. What is
    in the cache is checked on every call; a jar that was damaged is fetched anew.

    Args:
        cache: The directory to keep them in; it is made if need be.
        jars: What to fetch; the lock of the project if not given.
        fetch: Downloads one jar.
        on_progress: Called with (jars ready, jars in all) after each download.

    Returns:
        The paths, in the order of the lock: the class path.

    Raises:
        JarsUnavailableError: a jar cannot be downloaded, or is not the one that was locked.
    """
    wanted = locked_jars() if jars is None else jars
    paths = tuple(cache / jar.filename for jar in wanted)
    if all(_is_intact(cache, jar) for jar in wanted):
        return paths
    cache.mkdir(parents=True, exist_ok=True)
    with _only_one_process(cache / ".lock"), ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
        missing = [jar for jar in wanted if not _is_intact(cache, jar)]
        fetched = pool.map(partial(_fetch_verified, cache, fetch), missing)
        for ready, _ in enumerate(fetched, start=len(wanted) - len(missing) + 1):
            on_progress(ready, len(wanted))
    return paths


def _fetch_verified(cache: Path, fetch: Fetch, jar: LockedJar) -> None:
    for attempt in range(1, _TRIES + 1):
        try:
            _fetch_once(cache, jar, fetch)
        except (OSError, RuntimeError) as error:
            if attempt == _TRIES:
                raise JarsUnavailableError(_advice(cache, jar, error)) from error
        else:
            return


def _fetch_once(cache: Path, jar: LockedJar, fetch: Fetch) -> None:
    # A directory of its own for each attempt: jgo takes a half-written file for a whole one.
    with tempfile.TemporaryDirectory(dir=cache, prefix=".partial-") as scratch:
        path = fetch(jar, Path(scratch))
        if _sha256(path) != jar.sha256:
            raise RuntimeError("what came is not the file that was locked: its SHA-256 differs")
        path.replace(cache / jar.filename)


def _advice(cache: Path, jar: LockedJar, error: Exception) -> str:
    return (
        f"cannot download {jar.filename} for the embedded Kafka from Maven Central; connect to the "
        f"network once (the jars are then kept in {cache}), or point "
        f"PANDA_KAFKA_BOOTSTRAP_SERVERS at a Kafka of yours\n  {type(error).__name__}: {error}"
    )


def _is_intact(cache: Path, jar: LockedJar) -> bool:
    path = cache / jar.filename
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _only_one_process(lock: Path) -> Generator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
