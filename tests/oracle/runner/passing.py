"""One pass over the records of ``ticks``: what every record of the runner has to be."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from tests.oracle.ids import rejection_id, signal_id
from tests.oracle.records import Raw, Topics
from tests.oracle.runner.bars import price
from tests.oracle.runner.instrument import Emitted, Instrument
from tests.oracle.runner.judging import Refused
from tests.oracle.runner.rules import RunnerRules
from tests.oracle.runner.strategy import Made
from tests.oracle.runner.ticks import TickReader, Unusable
from tests.oracle.runner.user_code import UserCode, attempt
from tests.oracle.runner.versions import Change, Versions, brokers_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Rejection(NamedTuple):
    """A rejection to come."""

    fields: Mapping[str, Any]
    refused: Refused


@dataclass
class Expected:
    """Everything that the runner writes, but for activations."""

    signals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fields by signal id."""
    rejections: dict[str, Rejection] = field(default_factory=dict)
    """By rejection id."""
    dead_letters: dict[tuple[int, int], Unusable] = field(default_factory=dict)
    """By partition and offset of the record on ``ticks``."""
    instruments: dict[tuple[int, int], Instrument] = field(default_factory=dict)
    """By partition and token, as they are in the end."""


def expect(topics: Topics, rules: RunnerRules, versions: Versions, code: UserCode) -> Expected:
    """Go through all ticks, partition by partition."""
    expected = Expected()
    records: dict[int, list[Raw]] = {}
    for raw in topics["ticks"]:
        records.setdefault(raw.partition, []).append(raw)
    for partition, some in records.items():
        _Partition(partition, rules, code, expected).run(some, versions.changes[partition])
    return expected


class _Partition:
    """The pass over one partition."""

    def __init__(
        self, partition: int, rules: RunnerRules, code: UserCode, expected: Expected
    ) -> None:
        self._partition = partition
        self._rules = rules
        self._code = code
        self._expected = expected
        self._reader = TickReader(rules)
        self._active: list[StrategyConfig] = []
        self._rows: dict[int, Sequence[StrategyConfig]] = {}
        """The active versions on an instrument."""
        self._validators: dict[tuple[str, int], Any] = {}
        """One for all instruments of a version."""

    def run(self, records: Sequence[Raw], changes: Sequence[Change]) -> None:
        """Take the records in the order of their offsets."""
        left = list(changes)
        for raw in records:
            while left and left[0].offset <= raw.offset:
                self._change(left.pop(0))
            tick = self._reader.read(raw)
            if isinstance(tick, Unusable):
                self._expected.dead_letters[raw.partition, raw.offset] = tick
                continue
            for emitted in self._take(tick, raw.offset):
                self._expect(emitted, tick, raw.offset)

    def _change(self, change: Change) -> None:
        name = change.config.id
        self._active = [row for row in self._active if row.id != name]
        if change.is_active:
            self._active.append(change.config)
        self._rows = {}

    def _take(self, tick: MarketTick, offset: int) -> Iterator[Emitted]:
        token = tick.instrument_token
        at = self._partition, token
        instrument = self._expected.instruments.get(at)
        if instrument is None:
            instrument = Instrument(token, self._partition, self._rules, self._create)
            self._expected.instruments[at] = instrument
        if token not in self._rows:
            self._rows[token] = [row for row in self._active if token in row.instruments]
        return instrument.take(tick, offset, self._rows[token])

    def _create(self, row: StrategyConfig, token: int) -> Made | None:
        name = str(row.id), row.version
        if name not in self._validators:
            self._validators[name] = attempt(self._code.validator, row)
        validator, invalid = self._validators[name]
        processor, error = attempt(self._code.processor, row, token)
        if error is not None or invalid is not None:
            return None  # it does not run on this instrument
        return Made(processor, validator)

    def _expect(self, emitted: Emitted, tick: MarketTick, offset: int) -> None:
        row, answer = emitted.config, emitted.answer
        strategy, token = str(row.id), tick.instrument_token
        name = signal_id(strategy, token, self._rules.topic_id, self._partition, offset)
        origin = {
            "signal_id": name,
            "strategy_id": strategy,
            "strategy_type": row.strategy_type,
            "instrument_token": token,
            "event_time": _EPOCH + timedelta(microseconds=tick.event_time_us),
            "tick_partition": self._partition,
            "tick_offset": offset,
        }
        if isinstance(answer, Refused):
            identity = rejection_id("runner", name, None)
            fields = {**origin, "rejection_id": identity, "stage": "RUNNER"}
            fields |= {"account": None, "broker": None, "decision": None}
            self._expected.rejections[identity] = Rejection(fields, answer)
            return
        self._expected.signals[name] = {
            **origin,
            "strategy_version": row.version,
            "model_digest": emitted.model_digest,
            "brokers": list(brokers_of(row)),
            "tick_topic_id": self._rules.topic_id,
            "signal_type": str(answer.signal_type),
            "confidence": answer.confidence,
            "quantity": answer.quantity,
            "price": answer.price,
            "reasoning": answer.reasoning,
            "tick_price": price(tick.price_raw),
        }
