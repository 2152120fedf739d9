"""The rules of schema resolution, each alone, and never kinder than fastavro."""

from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from algo_panda.wire.compatibility import problems

DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 8}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}


def record(name: str = "R", **types: Any) -> dict[str, Any]:
    fields = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"type": "record", "name": name, "namespace": "n", "fields": fields}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        ("long", "int"),
        ("double", "int"),
        ("double", "float"),
        ("float", "long"),
        ("bytes", "string"),
        ({"type": "long"}, "long"),
        (DECIMAL, DECIMAL),
        (MICROS, MICROS),
        (["null", "string"], "string"),
        (["null", "string"], ["string", "null"]),
        (["null", "double"], ["null", "int"]),
        ("string", ["string"]),
        (enum("A", "B"), enum("A")),
        (enum("A", default="A"), enum("A", "B")),
        (fixed(4), fixed(4)),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
        ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
        (record(a="long"), record(a="int", b="string")),
        ({**record(a="int"), "name": "n.R", "namespace": "other"}, record(a="int")),
        (record(a=enum("A"), b="E"), record(a=enum("A"), b="n.E")),
    ],
)
def test_a_reader_that_can_follow_has_no_problems(reader: Any, writer: Any):
    assert problems(reader=reader, writer=writer) == ()


@pytest.mark.parametrize(
    ("reader", "writer", "problem"),
    [
        ("int", "long", "schema: long cannot be read as int"),
        ("string", "bytes", "schema: bytes cannot be read as string"),
        ("string", "int", "schema: int cannot be read as string"),
        ("string", ["null", "string"], "schema: null cannot be read as string"),
        (["null", "string"], "int", "schema: none of the reader's types reads int"),
        (["string", "bytes"], "bytes", "schema: bytes cannot be read as string"),
        (
            ["null", DECIMAL],
            ["null", "bytes"],
            "schema: bytes cannot be read as bytes (decimal, 18, 8)",
        ),
        (
            ["null", record(a="int", b="int")],
            record(a="int"),
            "b: was not written, and has no default",
        ),
        (
            ["null", {"type": "array", "items": "int"}],
            {"type": "array", "items": "long"},
            "schema: none of the reader's types reads array",
        ),
        (DECIMAL, "bytes", "schema: bytes cannot be read as bytes (decimal, 18, 8)"),
        (
            DECIMAL,
            {**DECIMAL, "scale": 2},
            "schema: bytes (decimal, 18, 2) cannot be read as bytes (decimal, 18, 8)",
        ),
        (
            MICROS,
            {"type": "long", "logicalType": "timestamp-millis"},
            "schema: long (timestamp-millis) cannot be read as long (timestamp-micros)",
        ),
        (enum("A"), enum("A", "B"), "schema: no symbol B, and no default"),
        (enum("A", default="Z"), enum("A"), "schema: the default Z is none of its symbols"),
        (fixed(4), fixed(5), "schema: its size was 5 and is 4"),
        (fixed(4), fixed(4, "G"), "schema: fixed G is not fixed F"),
        (
            {"type": "array", "items": "int"},
            {"type": "array", "items": "long"},
            "[]: long cannot be read as int",
        ),
        (record(a="int"), record("S", a="int"), "schema: record S is not record R"),
        (record(a="int", b="int"), record(a="int"), "b: was not written, and has no default"),
        (
            record(a=record("Inner", x="int")),
            record(a=record("Inner", x="string")),
            "a.x: string cannot be read as int",
        ),
    ],
)
def test_a_reader_that_cannot_follow_says_where_and_why(reader: Any, writer: Any, problem: str):
    assert problems(reader=reader, writer=writer) == (problem,)


def test_a_record_within_itself_is_compared_once():
    node = record("Node", value="int")
    node["fields"].append({"name": "next", "type": ["null", "Node"], "default": None})
    assert problems(reader=node, writer=node) == ()


primitives = st.sampled_from(["null", "boolean", "int", "long", "float", "double", "bytes"])
symbols = st.lists(st.sampled_from(["A", "B", "C", "D"]), min_size=1, max_size=4, unique=True)
enums = st.builds(
    lambda chosen, has_default: enum(*chosen, **({"default": chosen[0]} if has_default else {})),
    symbols,
    st.booleans(),
)
simple = primitives | st.just("string")
unions = st.lists(simple, min_size=1, max_size=3, unique=True)
kinds = simple | unions | st.builds(lambda items: {"type": "array", "items": items}, simple)
schemas = st.builds(
    lambda kinds, choice: record(**{f"f{n}": kind for n, kind in enumerate(kinds)}, e=choice),
    st.lists(kinds, max_size=3),
    enums,
)


@settings(max_examples=300)
@given(reader=schemas, writer=schemas)
def test_what_is_called_readable_is_read_by_fastavro(reader: Any, writer: Any):
    if problems(reader=reader, writer=writer):
        reader = writer
    assume(not problems(reader=reader, writer=writer))
    for datum in generate_many(writer, 3):
        buffer = BytesIO()
        fastavro.schemaless_writer(buffer, writer, datum)
        buffer.seek(0)
        read: Any = fastavro.schemaless_reader(buffer, writer, reader)
        assert set(read) == {field["name"] for field in reader["fields"]}
