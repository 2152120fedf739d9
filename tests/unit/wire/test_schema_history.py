"""Schemas as files: ids that stay, history that is not rewritten, compatibility both ways."""

import json
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from fastavro.utils import generate_many

from algo_panda.resources import resource_dir
from algo_panda.wire.catalogue import SchemaError, digest, load_catalogue
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.compatibility import problems
from algo_panda.wire.errors import UnknownSymbolError
from algo_panda.wire.framing import header

CATALOGUE = load_catalogue()
ALL_VERSIONS = sorted(CATALOGUE.by_id.values(), key=lambda v: v.id)


def documented_parts(schema: Any, path: str = "") -> list[tuple[str, str]]:
    """Path and documentation of every record, enum and field in ``schema``."""
    if isinstance(schema, list):
        return [part for branch in schema for part in documented_parts(branch, path)]
    if not isinstance(schema, dict):
        return []
    found = []
    if schema["type"] in {"record", "enum", "fixed"}:
        path = f"{path}/{schema['name']}"
        found.append((path, schema.get("doc", "")))
    for field in schema.get("fields", ()):
        found.append((f"{path}.{field['name']}", field.get("doc", "")))
        found += documented_parts(field["type"], f"{path}.{field['name']}")
    for inner in ("items", "values"):
        found += documented_parts(schema.get(inner), path)
    return found


@pytest.mark.parametrize("version", ALL_VERSIONS, ids=lambda v: f"{v.topic}-{v.version}")
def test_every_record_enum_and_field_is_documented(version):
    parts = documented_parts(version.schema)
    assert parts
    assert [path for path, doc in parts if not doc.rstrip().endswith(".")] == []


@pytest.mark.parametrize("version", ALL_VERSIONS, ids=lambda v: f"{v.topic}-{v.version}")
def test_every_schema_is_of_one_namespace_and_known_to_fastavro(version):
    assert version.schema["namespace"] == "algo_panda"
    assert fastavro.parse_schema(version.schema)


@pytest.mark.parametrize("topic", CATALOGUE.by_topic)
def test_every_version_reads_what_every_other_version_wrote(topic: str):
    versions = CATALOGUE.by_topic[topic]
    pairs = [(versions[0], versions[0]), *combinations(versions, 2)]
    for one, other in [*pairs, *((b, a) for a, b in pairs)]:
        assert problems(reader=one.schema, writer=other.schema) == ()
        for datum in generate_many(other.schema, 20):
            buffer = BytesIO()
            fastavro.schemaless_writer(buffer, other.schema, datum)
            buffer.seek(0)
            assert fastavro.schemaless_reader(buffer, other.schema, one.schema) is not None


def test_every_schema_file_is_in_the_index():
    folder = resource_dir("schemas")
    index = yaml.safe_load((folder / "index.yaml").read_text())
    assert {entry["file"] for entry in index["schemas"]} == {
        path.name for path in folder.glob("*.avsc")
    }


def test_published_ids_never_change_their_meaning():
    published = {v.id: (v.topic, v.version) for v in ALL_VERSIONS}
    assert (
        published
        | {
            1000001: ("ticks", 1),
            1000002: ("signals", 1),
            1000003: ("orders", 1),
            1000004: ("rejections", 1),
            1000005: ("executions", 1),
            1000006: ("activations", 1),
            1000007: ("control", 1),
            1000008: ("executions", 2),
            1000009: ("paper-orders", 1),
            1000010: ("activations", 2),
        }
        == published
    )


# A history that goes on: what the schemas of the tree may become.


def enum(*symbols: str, default: str | None = "UNKNOWN") -> dict[str, Any]:
    kind = {"type": "enum", "name": "TradingState", "symbols": [*symbols, "UNKNOWN"]}
    return kind if default is None else {**kind, "default": default}


def control_schema(**changes: Any) -> dict[str, Any]:
    schema = json.loads(json.dumps(CATALOGUE.newest("control").schema))
    for field in schema["fields"]:
        if field["name"] in changes:
            field["type"] = changes[field["name"]]
    return schema


def history(folder: Path, *schemas: dict[str, Any], first_id: int = 2000001) -> Path:
    """Copy the tree's schemas to ``folder`` and add versions of ControlEvent."""
    source = resource_dir("schemas")
    index = yaml.safe_load((source / "index.yaml").read_text())
    for path in source.glob("*.avsc"):
        (folder / path.name).write_text(path.read_text())
    for number, schema in enumerate(schemas):
        text = json.dumps(schema)
        file = f"control_event.v{number + 2}.avsc"
        (folder / file).write_text(text)
        index["schemas"].append(
            {
                "id": first_id + number,
                "topic": "control",
                "record": "ControlEvent",
                "version": number + 2,
                "file": file,
                "digest": digest(text),
            }
        )
    (folder / "index.yaml").write_text(yaml.safe_dump(index))
    return folder


def with_field(schema: dict[str, Any], **field: Any) -> dict[str, Any]:
    return {**schema, "fields": [*schema["fields"], field]}


OPTIONAL = {"name": "ticket", "type": ["null", "string"], "default": None}


def test_an_optional_field_and_a_new_symbol_may_be_added(tmp_path: Path):
    newer = control_schema(state=enum("ACTIVE", "REDUCING", "HALTED", "PAUSED"))
    loaded = load_catalogue(history(tmp_path, with_field(newer, **OPTIONAL)))
    assert loaded.newest("control").id == 2000001
    assert [v.version for v in loaded.by_topic["control"]] == [1, 2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            with_field(control_schema(), name="ticket", type="string"),
            "version 2 cannot read what version 1 wrote: ticket: was not written",
        ),
        (
            {**control_schema(), "fields": control_schema()["fields"][1:]},
            "version 1 cannot read what version 2 wrote: account: was not written",
        ),
        (control_schema(reason="long"), "reason: string cannot be read as long"),
        (control_schema(issued_at="long"), "issued_at: long"),
        (
            control_schema(issued_at={"type": "long", "logicalType": "timestamp-millis"}),
            "timestamp-micros",
        ),
        (
            control_schema(
                state=enum("ACTIVE", "REDUCING", "HALTED", "PAUSED", default=None)
                | {"symbols": ["ACTIVE"]}
            ),
            "no symbol REDUCING, HALTED, UNKNOWN, and no default",
        ),
        ({**control_schema(), "name": "Other"}, "describes Other, not ControlEvent"),
        ({**control_schema(), "fields": [{"name": "x", "type": "nothing"}]}, "cannot be read"),
    ],
)
def test_a_change_that_some_reader_cannot_follow_is_refused_at_start(
    tmp_path: Path, change: dict[str, Any], complaint: str
):
    with pytest.raises(SchemaError, match=complaint):
        load_catalogue(history(tmp_path, change))


def test_a_published_file_that_was_edited_is_refused(tmp_path: Path):
    folder = history(tmp_path)
    path = folder / "market_tick.v1.avsc"
    path.write_text(path.read_text().replace("volume_traded", "volume"))
    with pytest.raises(SchemaError, match=r"market_tick.v1.avsc is not what was published"):
        load_catalogue(folder)


def test_documentation_of_a_published_file_may_be_improved(tmp_path: Path):
    folder = history(tmp_path)
    path = folder / "market_tick.v1.avsc"
    path.write_text(path.read_text().replace("One trade or snapshot", "A trade or a snapshot"))
    assert load_catalogue(folder).newest("ticks").id == CATALOGUE.newest("ticks").id


def test_two_schemas_with_one_id_are_refused(tmp_path: Path):
    with pytest.raises(SchemaError, match="the same id"):
        load_catalogue(
            history(tmp_path, with_field(control_schema(), **OPTIONAL), first_id=1000001)
        )


def test_versions_only_rise(tmp_path: Path):
    folder = history(tmp_path, with_field(control_schema(), **OPTIONAL))
    text = (folder / "index.yaml").read_text()
    before, _, newest = text.rpartition("version: 2")
    (folder / "index.yaml").write_text(f"{before}version: 1{newest}")
    with pytest.raises(SchemaError, match="control: version 1 follows 1"):
        load_catalogue(folder)


@pytest.mark.parametrize("index", ["schemas: {", "schemas: [{id: x}]", "other: []"])
def test_an_unreadable_index_is_named(tmp_path: Path, index: str):
    (tmp_path / "index.yaml").write_text(index)
    with pytest.raises(SchemaError, match=r"index\.yaml"):
        load_catalogue(tmp_path)


def test_a_missing_schema_file_is_named(tmp_path: Path):
    folder = history(tmp_path)
    (folder / "order.v1.avsc").unlink()
    with pytest.raises(SchemaError, match=r"order\.v1\.avsc"):
        load_catalogue(folder)


def test_a_topic_without_schema_is_named():
    with pytest.raises(SchemaError, match="no schema for the topic nothing"):
        CATALOGUE.newest("nothing")


# Reading across versions.

FIELDS = {
    "account": "ACC",
    "state": "HALTED",
    "reason": "r",
    "issued_by": "me",
    "issued_at": 1_381_152_601_123_456,
}


def written(schema: dict[str, Any], schema_id: int, **fields: Any) -> bytes:
    buffer = BytesIO()
    buffer.write(header(schema_id))
    fastavro.schemaless_writer(buffer, schema, {**FIELDS, **fields})
    return buffer.getvalue()


def test_bytes_of_an_earlier_version_are_read_with_the_newest(tmp_path: Path):
    # The domain class stays as it is: the newer version only puts its fields in another order.
    newer = control_schema()
    newer = {**newer, "fields": newer["fields"][::-1]}
    codecs = load_codecs(schemas_dir=history(tmp_path, newer))
    old, new = (v.schema for v in load_catalogue(tmp_path).by_topic["control"])
    from_old = codecs.control.decode(written(old, 1000007))
    from_new = codecs.control.decode(written(new, 2000001))
    assert from_old == from_new
    assert codecs.control.encode(from_new) == written(new, 2000001)


def test_bytes_of_a_later_version_are_read_too_where_its_schema_is_known(tmp_path: Path):
    newer = with_field(
        control_schema(state=enum("ACTIVE", "REDUCING", "HALTED", "PAUSED")), **OPTIONAL
    )
    catalogue = load_catalogue(history(tmp_path, newer))
    codec = _codec_of_before(catalogue)
    assert codec.decode(written(newer, 2000001, ticket="T-1")).account == "ACC"
    with pytest.raises(UnknownSymbolError, match="UNKNOWN is no TradingState that this version"):
        codec.decode(written(newer, 2000001, state="PAUSED", ticket=None))


def _codec_of_before(catalogue: Any) -> Any:
    """The codec of a program that knows version 1 only, and can look up later ones."""
    from algo_panda.wire.codecs import CONTROL
    from algo_panda.wire.records import RecordCodec
    from algo_panda.wire.sources import CatalogueSource

    first = catalogue.by_topic["control"][0]
    return RecordCodec(
        CONTROL, schema=first.schema, writer_id=first.id, source=CatalogueSource(catalogue)
    )
