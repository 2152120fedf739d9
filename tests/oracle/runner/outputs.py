"""Signals, rejections and dead letters on their topics, against those that are expected."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.oracle.ids import partition_of
from tests.oracle.records import Raw, Record, Schemas, Topics, UnreadableError, differing
from tests.oracle.runner.judging import Refused
from tests.oracle.runner.passing import Expected, Rejection
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.ticks import Unusable

_OF_CAUSE = ("topic", "partition", "offset", "timestamp", "error.code", "error.message")
_HEADERS = tuple(f"panda.dlq.{name}" for name in (*_OF_CAUSE, "app.version"))
"""Behind the headers of the record itself, in this order."""


class Outputs:
    """What the runner wrote."""

    def __init__(self, topics: Topics, rules: RunnerRules, schemas: Schemas) -> None:
        self._topics = topics
        self._rules = rules
        self._schemas = schemas

    def compare(self, expected: Expected) -> Iterator[str]:
        """Compare all of it."""
        yield from self._signals(expected.signals)
        yield from self._rejections(expected.rejections)
        yield from self._letters(expected.dead_letters)

    def _signals(self, expected: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
        found: dict[str, Record] = {}
        for record in self._records("signals"):
            yield from self._once(found, record, record.fields["signal_id"])
        yield from self._rising(found.values())
        for name, fields in expected.items():
            if name not in found:
                emitter = f"strategy {fields['strategy_id']} emits a signal"
                yield f"{_tick(fields)}: {emitter}, and no record has its id {name}"
            elif wrong := differing(found[name].fields, fields):
                yield f"{found[name].where}: {wrong}"
        for name, record in found.items():
            if name not in expected:
                emitter = f"strategy {record.fields['strategy_id']}"
                yield f"{record.where}: {emitter} emits no signal at {_tick(record.fields)}"

    def _rejections(self, expected: Mapping[str, Rejection]) -> Iterator[str]:
        found: dict[str, Record] = {}
        for record in self._records("rejections"):
            if record.fields["stage"] == "RUNNER":
                yield from self._once(found, record, record.fields["rejection_id"])
        for name, (fields, refused) in expected.items():
            if name in found:
                yield from _rejection(found[name], fields, refused)
            else:
                emitter = f"a signal of strategy {fields['strategy_id']} is rejected"
                codes = _one_of(refused.codes)
                yield f"{_tick(fields)}: {emitter} with {codes}, and no record has the id {name}"
        for name, record in found.items():
            if name not in expected:
                emitter = f"no signal of strategy {record.fields['strategy_id']}"
                yield f"{record.where}: {emitter} is rejected at {_tick(record.fields)}"

    def _letters(self, expected: Mapping[tuple[int, int], Unusable]) -> Iterator[str]:
        found: dict[tuple[int, int], Raw] = {}
        for raw in self._topics["ticks.dlq"]:
            where = f"ticks.dlq[{raw.partition}] offset {raw.offset}"
            headers = dict(raw.headers)
            numbers = [headers.get(name) or b"" for name in _HEADERS[1:3]]
            if not all(map(bytes.isdigit, numbers)):
                yield f"{where}: its headers do not say where the record was"
                continue
            partition, offset = map(int, numbers)
            first = found.setdefault((partition, offset), raw)
            if first is not raw and not self._rules.may_repeat:
                yield f"{where}: ticks[{partition}] offset {offset} has a dead letter already"
            if (first.key, first.value, first.headers) != (raw.key, raw.value, raw.headers):
                yield f"{where}: it differs from the dead letter at offset {first.offset}"
        for at, unusable in expected.items():
            if at in found:
                yield from self._letter(found[at], unusable)
            else:
                where = f"ticks[{at[0]}] offset {at[1]}"
                yield f"{where}: it has no dead letter, expected code {_one_of(unusable.codes)}"
        for (partition, offset), raw in found.items():
            if (partition, offset) not in expected:
                where = f"ticks.dlq[{raw.partition}] offset {raw.offset}"
                yield f"{where}: ticks[{partition}] offset {offset} is usable, or was never there"

    def _letter(self, letter: Raw, unusable: Unusable) -> Iterator[str]:
        where = f"ticks.dlq[{letter.partition}] offset {letter.offset}"
        raw = unusable.raw
        if (letter.key, letter.value) != (raw.key, raw.value):
            cause = f"ticks[{raw.partition}] offset {raw.offset}"
            yield f"{where}: key and value are not those of {cause}"
        own, ours = letter.headers[: -len(_HEADERS)], letter.headers[-len(_HEADERS) :]
        names = [name for name, _ in letter.headers]
        if own != raw.headers or tuple(names[-len(_HEADERS) :]) != _HEADERS:
            expected_names = [*(name for name, _ in raw.headers), *_HEADERS]
            yield f"{where}: headers are {names}, expected {expected_names}"
            return
        texts = {name: (value or b"").decode() for name, value in ours}
        expected = {
            "panda.dlq.topic": f"{self._rules.prefix}ticks",
            "panda.dlq.timestamp": str(max(raw.timestamp_ms, 0)),
            "panda.dlq.app.version": self._rules.app_version,
        }
        if wrong := differing(texts, expected):
            yield f"{where}: {wrong}"
        code = texts["panda.dlq.error.code"]
        if code not in unusable.codes:
            yield f"{where}: code is {code}, expected {_one_of(unusable.codes)}"
        message = texts["panda.dlq.error.message"]
        yield from _named(where, "message", message, unusable.named)

    def _records(self, topic: str) -> Iterator[Record]:
        """Return the records that can be read; the others become dead letters of their readers."""
        for raw in self._topics[topic]:
            try:
                yield Record(topic, raw, self._schemas.read(raw.value))
            except UnreadableError:
                continue

    def _once(self, found: dict[str, Record], record: Record, name: str) -> Iterator[str]:
        """Keep the first record of an id; those that come again have to be equal."""
        key = b"%d" % record.fields["instrument_token"]
        home = partition_of(key, self._rules.partitions[record.topic])
        if record.raw.key != key:
            yield f"{record.where}: key is {record.raw.key!r}, expected {key!r}"
        if record.raw.partition != home:
            yield f"{record.where}: key {key!r} belongs into partition {home}"
        first = found.setdefault(name, record)
        if first is record:
            return
        if not self._rules.may_repeat:
            yield f"{record.where}: {name} was already in {first.where}"
        if first.raw.value != record.raw.value:
            yield f"{record.where}: {name} differs from that of {first.where}"

    def _rising(self, signals: Any) -> Iterator[str]:
        """Of a strategy on an instrument, signals that were not there before are of later ticks."""
        newest: dict[tuple[str, int, int], int] = {}
        for record in signals:
            fields = record.fields
            name = fields["strategy_id"], fields["instrument_token"], fields["tick_partition"]
            if fields["tick_offset"] < newest.get(name, -1):
                later = f"the signal of the later tick at offset {newest[name]}"
                yield f"{record.where}: {later} is before it"
            newest[name] = max(fields["tick_offset"], newest.get(name, -1))


def _rejection(record: Record, fields: Mapping[str, Any], refused: Refused) -> Iterator[str]:
    given = record.fields
    if wrong := differing(given, fields):
        yield f"{record.where}: {wrong}"
    if given["code"] not in refused.codes:
        yield f"{record.where}: code is {given['code']}, expected {_one_of(refused.codes)}"
    if refused.reason is not None and given["reason"] != refused.reason:
        yield f"{record.where}: reason is {given['reason']!r}, expected {refused.reason!r}"
    yield from _named(record.where, "reason", given["reason"], refused.named)


def _tick(fields: Mapping[str, Any]) -> str:
    return f"ticks[{fields['tick_partition']}] offset {fields['tick_offset']}"


def _one_of(codes: frozenset[str]) -> str:
    return " or ".join(sorted(codes))


def _named(where: str, what: str, text: str, parts: tuple[str, ...]) -> Iterator[str]:
    if not text:
        yield f"{where}: {what} is empty"
    for part in parts:
        if part not in text:
            yield f"{where}: {what} is {text!r}, expected it to name {part!r}"
