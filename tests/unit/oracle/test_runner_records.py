"""The independent model of the runner against records in which exactly one field is wrong."""

import logging
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import fastavro
import pytest

from tests.oracle.records import Raw
from tests.oracle.runner.differences import runner_differences
from tests.unit.oracle.runner_pipeline import CHANGELOG, SCHEMAS, Pipeline, rows

Topics = dict[str, list[Raw]]


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    """A run in which nothing is sent twice."""
    logging.disable(logging.CRITICAL)
    made = Pipeline(1, rows())
    for _ in range(12):
        made.publish(0)
    made.settle()
    yield made
    logging.disable(logging.NOTSET)


def differences(pipeline: Pipeline, topics: Topics) -> list[str]:
    return runner_differences(topics, replace(pipeline.rules, rows=pipeline.versions))


def test_the_run_itself_has_no_differences(pipeline: Pipeline) -> None:
    topics = pipeline.topics.raw()
    assert min(map(len, topics.values())) > 0
    assert differences(pipeline, topics) == []


@pytest.mark.parametrize("topic", ["signals", "rejections", "activations"])
def test_every_field_of_a_record_counts(pipeline: Pipeline, topic: str) -> None:
    number = len(pipeline.topics.raw()[topic]) // 2
    raw = pipeline.topics.raw()[topic][number]
    fields = SCHEMAS.read(raw.value)
    for name, changed in spoilt(fields):
        topics = pipeline.topics.raw()
        topics[topic][number] = raw._replace(value=again(raw, {**fields, name: changed}))
        assert differences(pipeline, topics), f"{name} is {changed!r}"


def test_every_field_of_a_state_counts(pipeline: Pipeline) -> None:
    topics = pipeline.topics.raw()
    number = max(n for n, raw in enumerate(topics[CHANGELOG]) if raw.key == b"1001")
    raw = topics[CHANGELOG][number]
    fields = SCHEMAS.read(raw.value)
    states: Sequence[Mapping[str, Any]] = fields["strategies"]
    cases = [(name, {**fields, name: changed}) for name, changed in spoilt(fields)]
    for at in (0, len(states) // 2, len(states) - 1):
        for name, changed in spoilt(states[at]):
            some = [*states[:at], {**states[at], name: changed}, *states[at + 1 :]]
            cases.append((f"{states[at]['strategy_id']}: {name}", {**fields, "strategies": some}))
    for what, changed in cases:
        topics = pipeline.topics.raw()
        topics[CHANGELOG][number] = raw._replace(value=again(raw, changed))
        assert differences(pipeline, topics), what


@pytest.mark.parametrize("topic", ["signals", "rejections", "ticks.dlq", "activations", CHANGELOG])
def test_every_record_counts(pipeline: Pipeline, topic: str) -> None:
    records = pipeline.topics.raw()[topic]
    for removed in records[:: len(records) // 10 + 1]:
        topics = pipeline.topics.raw()
        topics[topic] = [raw for raw in records if not _is_of_its_key(topic, raw, removed)]
        assert differences(pipeline, topics), f"without {removed}"


def _is_of_its_key(topic: str, raw: Raw, removed: Raw) -> bool:
    """Whether a record is removed: in a changelog all of a key, because the last one counts."""
    if topic != CHANGELOG:
        return raw is removed
    return (raw.partition, raw.key) == (removed.partition, removed.key)


@pytest.mark.parametrize("field", ["key", "value", "headers"])
def test_every_part_of_a_dead_letter_counts(pipeline: Pipeline, field: str) -> None:
    topics = pipeline.topics.raw()
    letter = topics["ticks.dlq"][0]
    parts: list[Any] = [b"x"]
    if field == "headers":
        given = letter.headers
        parts = [
            (*given[:at], (name, b"0x"), *given[at + 1 :]) for at, (name, _) in enumerate(given)
        ]
    for part in parts:
        if part == letter.headers:
            continue
        topics["ticks.dlq"][0] = letter._replace(**{field: part})
        is_message = field == "headers" and dict(part)["panda.dlq.error.message"] == b"0x"
        assert is_message or differences(pipeline, topics), part


def test_a_signal_of_an_earlier_tick_does_not_come_later(pipeline: Pipeline) -> None:
    topics = pipeline.topics.raw()
    signals = topics["signals"]
    strategy = SCHEMAS.read(signals[0].value)["strategy_id"]
    token = signals[0].key
    first, second = [
        n
        for n, raw in enumerate(signals)
        if raw.key == token and SCHEMAS.read(raw.value)["strategy_id"] == strategy
    ][:2]
    signals[first], signals[second] = signals[second], signals[first]
    (found,) = differences(pipeline, topics)
    assert "the signal of the later tick" in found


def spoilt(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield another value of the same type for each field."""
    for name, value in fields.items():
        yield name, _other(name, value)


def _other(name: str, value: Any) -> Any:
    if name in _OTHER:
        return _OTHER[name] if value != _OTHER[name] else "SELL"
    if isinstance(value, list):
        return value[1:] if value else ["zerodha"]
    if value is None:
        return "x"
    return _OF_TYPE[type(value)](value)


_OTHER: Mapping[str, Any] = {
    "signal_type": "BUY",
    "stage": "RISK",
    "code": "EXPIRED",
    "confidence": 0.123,
    "bars": b"x",
    "processor": b"x",
    "marks": [{"offset": 12_345, "bars": None}],
    "cold_since": 1,
    "decision": {
        "decided_at": datetime(2026, 1, 5, tzinfo=UTC),
        "control_offset": None,
        "executions_offset": None,
        "limits_version": None,
    },
}
_OF_TYPE: Mapping[type, Callable[[Any], Any]] = {
    str: lambda _: "",
    bool: lambda value: not value,
    int: lambda value: value + 1,
    Decimal: lambda value: value + 1,
    datetime: lambda value: value + timedelta(seconds=1),
}


def again(raw: Raw, fields: Mapping[str, Any]) -> bytes:
    """Encode other fields with the schema of a record."""
    assert raw.value is not None
    (schema_id,) = struct.unpack(">I", raw.value[1:5])
    out = BytesIO()
    out.write(raw.value[:5])
    fastavro.schemaless_writer(out, SCHEMAS.schema(schema_id), dict(fields))
    return out.getvalue()
