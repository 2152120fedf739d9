"""Schema ids from a registry: a small one of our own here, a real one in the integration tests."""

import json
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

import fastavro
import pytest

from algo_panda.domain.market import MarketTick
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.errors import UnknownSchemaIdError, WrongSchemaError
from algo_panda.wire.framing import header, schema_id_of
from algo_panda.wire.registry import NotInRegistryError, RegistryClient, RegistryError

TICK = MarketTick(408065, 1_381_152_601_123_456, 18_432_000_000, 100, 1_234_567)
CATALOGUE = load_catalogue()


@dataclass(slots=True)
class Registry:
    """What the server below knows, and what it was asked."""

    schemas: list[tuple[str, str, str]] = field(default_factory=list)
    """Subject, text, type; the id is the position, from 1."""
    levels: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    user: str | None = None
    nonsense: tuple[int, bytes] | None = None
    read_only: bool = False
    url: str = ""

    def add(self, subject: str, schema: dict[str, Any], kind: str = "AVRO") -> int:
        self.schemas.append((subject, json.dumps(schema), kind))
        return len(self.schemas)

    def id_of(self, subject: str, text: str) -> int | None:
        for number, (known, other, _) in enumerate(self.schemas, 1):
            if known == subject and json.loads(other) == json.loads(text):
                return number
        return None


class Handler(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        number = int(self.path.rpartition("/")[2])
        known = self.registry.schemas
        if not 0 < number <= len(known):
            return self.answer(404, {"error_code": 40403, "message": "Schema not found"})
        _, text, kind = known[number - 1]
        more = {} if kind == "AVRO" else {"schemaType": kind}
        return self.answer(200, {"schema": text, **more})

    def do_POST(self) -> None:
        subject = self.path.split("/")[2]
        text = self.body()["schema"]
        found = self.registry.id_of(subject, text)
        if self.path.endswith("/versions") and found is None:
            if self.registry.read_only:
                return self.answer(403, {"message": "read only"})
            found = self.registry.add(subject, json.loads(text))
        if found is None:
            return self.answer(404, {"error_code": 40403, "message": "Schema not found"})
        return self.answer(200, {"id": found})

    def do_PUT(self) -> None:
        self.registry.levels[self.path.split("/")[2]] = self.body()["compatibility"]
        self.answer(200, {})

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, body: dict[str, Any]) -> None:
        self.registry.asked.append(f"{self.command} {self.path}")
        user = self.registry.user
        if user and self.headers["Authorization"] != f"Basic {b64encode(user.encode()).decode()}":
            status, body = 401, {"message": "Unauthorized"}
        content = json.dumps(body).encode()
        if self.registry.nonsense is not None:
            status, content = self.registry.nonsense
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Generator[Registry]:
    known = Registry()
    handler = type("BoundHandler", (Handler,), {"registry": known})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        known.url = f"http://127.0.0.1:{server.server_port}"
        yield known
        server.shutdown()
        thread.join()


def framed(schema: dict[str, Any], schema_id: int, **fields: Any) -> bytes:
    buffer = BytesIO()
    buffer.write(header(schema_id))
    fastavro.schemaless_writer(buffer, schema, fields)
    return buffer.getvalue()


def test_every_version_is_registered_once_under_its_topic_s_subject(registry: Registry):
    codecs = load_codecs(registry_url=registry.url, topic_prefix="mine-")
    subjects = Counter(subject for subject, _, _ in registry.schemas)
    assert subjects == {
        f"mine-{topic}-value": len(CATALOGUE.by_topic[topic]) for topic in codecs.by_topic
    }
    assert set(registry.levels.values()) == {"FULL_TRANSITIVE"}
    assert set(registry.levels) == set(subjects)
    load_codecs(registry_url=registry.url, topic_prefix="mine-")
    assert len(registry.schemas) == subjects.total()


def test_values_are_written_with_the_registry_s_ids(registry: Registry):
    registry.add("other", {"type": "string"})
    codecs = load_codecs(registry_url=registry.url)
    value = codecs.ticks.encode(TICK)
    assert schema_id_of(value) == registry.id_of("ticks-value", CATALOGUE.newest("ticks").text)
    assert codecs.ticks.decode(value) == TICK
    assert schema_id_of(codecs.control.encode(_control())) != schema_id_of(value)


def test_records_from_before_the_registry_stay_readable(registry: Registry):
    before = load_codecs().ticks.encode(TICK)
    assert load_codecs(registry_url=registry.url).ticks.decode(before) == TICK


def test_a_registry_that_may_only_be_read_is_enough_once_the_schemas_are_there(
    registry: Registry,
):
    load_codecs(registry_url=registry.url)
    registry.read_only = True
    assert load_codecs(registry_url=registry.url).ticks.encode(TICK)


def test_a_refused_registration_is_said_at_start(registry: Registry):
    registry.read_only = True
    with pytest.raises(RegistryError, match=r"POST /subjects/ticks-value/versions gives 403: read"):
        load_codecs(registry_url=registry.url)


def test_another_program_s_newer_schema_is_asked_for_once(registry: Registry):
    codecs = load_codecs(registry_url=registry.url)
    schema = json.loads(CATALOGUE.newest("ticks").text)
    schema["fields"].append({"name": "venue", "type": ["null", "string"], "default": None})
    newer = registry.add("ticks-value", schema)
    value = framed(
        schema,
        newer,
        instrument_token=408065,
        event_time=TICK.event_time_us,
        last_price=TICK.last_price,
        last_traded_quantity=100,
        volume_traded=1_234_567,
        venue="NSE",
    )
    registry.asked.clear()
    assert codecs.ticks.decode(value) == codecs.ticks.decode(value) == TICK
    assert registry.asked == [f"GET /schemas/ids/{newer}"]


def test_another_program_s_unfit_schema_is_of_the_wrong_schema(registry: Registry):
    codecs = load_codecs(registry_url=registry.url)
    unfit = registry.add("ticks-value", {"type": "record", "name": "MarketTick", "fields": []})
    for _ in range(2):
        with pytest.raises(WrongSchemaError, match="instrument_token: was not written"):
            codecs.ticks.decode(header(unfit))
    assert registry.asked.count(f"GET /schemas/ids/{unfit}") == 1


def test_an_id_that_the_registry_does_not_know_is_unknown(registry: Registry):
    codecs = load_codecs(registry_url=registry.url)
    with pytest.raises(UnknownSchemaIdError, match="4711"):
        codecs.ticks.decode(header(4711))


def test_a_schema_that_is_not_avro_is_unknown(registry: Registry):
    codecs = load_codecs(registry_url=registry.url)
    protobuf = registry.add("ticks-value", {}, "PROTOBUF")
    with pytest.raises(UnknownSchemaIdError):
        codecs.ticks.decode(header(protobuf))


@pytest.mark.parametrize(
    ("nonsense", "complaint"),
    [
        ((200, b"[]"), "gives no JSON object"),
        ((200, b"<html>"), "Expecting value"),
        ((404, b"<html>"), "gives 404: Not Found"),
        ((404, b"[]"), "gives 404: Not Found"),
        ((503, b'{"message": "starting"}'), "gives 503: starting"),
    ],
)
def test_a_registry_that_does_not_answer_is_no_fault_of_the_record(
    registry: Registry, nonsense: tuple[int, bytes], complaint: str
):
    codecs = load_codecs(registry_url=registry.url)
    registry.nonsense = nonsense
    with pytest.raises(RegistryError, match=complaint):
        codecs.ticks.decode(header(4711))


def test_user_and_password_come_from_the_url(registry: Registry):
    registry.user = "me:p@ss"
    with pytest.raises(RegistryError, match="401: Unauthorized"):
        load_codecs(registry_url=registry.url)
    codecs = load_codecs(registry_url=registry.url.replace("//", "//me:p%40ss@"))
    assert codecs.ticks.encode(TICK)


def test_the_password_is_in_no_message(registry: Registry):
    registry.user = "me:other"
    with pytest.raises(RegistryError) as caught:
        load_codecs(registry_url=registry.url.replace("//", "//me:secret@"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8081", "ftp://host/", "http://", "file:///etc/passwd"])
def test_an_address_that_is_no_url_is_refused(url: str):
    with pytest.raises(RegistryError, match="no http or https URL"):
        RegistryClient(url)


def test_a_registry_out_of_reach_is_one_line():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        port = server.server_port
    with pytest.raises(RegistryError, match=rf"127\.0\.0\.1:{port}: .*refused"):
        load_codecs(registry_url=f"http://127.0.0.1:{port}")


def test_not_found_is_told_from_other_refusals(registry: Registry):
    with pytest.raises(NotInRegistryError, match="404: Schema not found"):
        RegistryClient(registry.url).schema(1)


def _control() -> Any:
    from datetime import UTC, datetime

    from algo_panda.domain.trading import ControlEvent, TradingState

    return ControlEvent(
        account="*",
        state=TradingState.HALTED,
        reason="test",
        issued_by="test",
        issued_at=datetime(2024, 1, 1, tzinfo=UTC),
    )
