"""Ticks in; signals, rejections, dead letters and activations out."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain

from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Activation, Rejection
from algo_panda.runner.partition import Instrument, PartitionRunner
from algo_panda.runner.state import InstrumentRecord
from algo_panda.streaming.operator import (
    Beginning,
    Message,
    Output,
    Replay,
    Start,
    StateRecord,
    new_output,
)
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import Encoder, RunnerTopics, StageTelemetry, TickDecoder
from algo_panda.streaming.operators.versions import (
    STRATEGIES_KEY,
    Chosen,
    RunsPartition,
    StrategyVersions,
    encode_configs,
)
from algo_panda.streaming.state_codec import InstrumentRecordCodec
from algo_panda.wire.errors import KeyMismatchError, MisplacedKeyError, WireError
from algo_panda.wire.refusal import refusal

logger = logging.getLogger(__name__)


class RunnerOperator:
    """Runs the strategies of one partition of ``ticks``."""

    def __init__(
        self,
        *,
        partition: int,
        topic_id: str,
        versions: StrategyVersions,
        ticks: TickDecoder,
        signals: Encoder[TradingSignal],
        rejections: Encoder[Rejection],
        activations: Encoder[Activation],
        states: InstrumentRecordCodec,
        topics: RunnerTopics,
        dead_letters: DeadLetterWriter,
        telemetry: StageTelemetry,
        partition_of: Callable[[bytes], int] | None = None,
        accepts_misplaced: bool = False,
    ) -> None:
        """Start without state.

        Args:
            partition: number of the partition.
            topic_id: Kafka's id of the topic of ticks.
            versions: the strategies.
            ticks: reads ticks.
            signals: writes signals.
            rejections: writes rejections.
            activations: writes activations.
            states: writes and reads the state of instruments.
            topics: names on the broker.
            dead_letters: writes dead letters.
            telemetry: of the worker.
            partition_of: the partition that a key belongs to; None: keys are not checked.
            accepts_misplaced: whether ticks in a partition that is not their key's are processed.
                If not, they become dead letters.
        """
        self._partition = partition
        self._topic_id = topic_id
        self._versions = versions
        self._ticks = ticks
        self._encode = signals.encode
        self._signals_topic = topics.signals
        self._rejections = rejections
        self._activations = activations
        self._states = states
        self._topics = topics
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._partition_of = partition_of
        self._accepts_misplaced = accepts_misplaced
        self._misplaced: set[bytes] = set()
        """Keys of other partitions whose ticks are processed."""
        self._running: tuple[RunsPartition, PartitionRunner] | None = None
        self._unrecorded: Chosen | None = None

    @property
    def _runner(self) -> PartitionRunner:
        if self._running is None:
            raise RuntimeError("restore() comes first")
        return self._running[1]

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Process every tick with the strategies on its instrument."""
        outputs: list[Output] = []
        ticks: list[MarketTick] = []
        offsets: list[int] = []
        instruments: list[Instrument | None] = []
        keys: list[bytes] = []
        runner, misplaced = self._runner, self._misplaced
        for message, tick in zip(messages, self._decoded(messages), strict=True):
            if isinstance(tick, WireError):
                outputs.append(self._dead_letters.write(topic, message, tick))
                continue
            key = message.key()
            instrument = runner.known(key, tick.instrument_token)
            if key is None or instrument is None:
                own = instrument_key(tick.instrument_token)
                if key != own:
                    mismatch = KeyMismatchError(key, own)
                    outputs.append(self._dead_letters.write(topic, message, mismatch))
                    continue
                key = own
                error = self._misplaced_key(key)
                if error is not None:
                    outputs.append(self._dead_letters.write(topic, message, error))
                    continue
            if misplaced and key in misplaced:
                self._telemetry.misplaced_tick()
            ticks.append(tick)
            offsets.append(message.offset() or 0)
            instruments.append(instrument)
            keys.append(key)
        output = self._output
        said_at = runner.process_batch(ticks, offsets, instruments)
        for key, said in zip(keys, said_at, strict=True):
            for one in said:
                outputs.append(output(one, key))  # noqa: PERF401 - quicker than a generator
        return outputs

    def _misplaced_key(self, key: bytes) -> MisplacedKeyError | None:
        """Return why a tick of a new key cannot be used, or None."""
        if self._partition_of is None or key in self._misplaced:
            return None
        own = self._partition_of(key)
        if own == self._partition:
            return None
        error = MisplacedKeyError(key, self._partition, own)
        if not self._accepts_misplaced:
            return error
        self._misplaced.add(key)
        logger.warning("%s[%d]: %s", self._topics.ticks, self._partition, error)
        return None

    def _decoded(self, messages: Sequence[Message]) -> Sequence[MarketTick | WireError]:
        return self._ticks.decode_many(
            [message.value() for message in messages],
            [message.timestamp()[1] for message in messages],
        )

    def changed(self) -> Iterator[StateRecord]:
        """Return the instruments with ticks since the last call, and versions not recorded yet."""
        chosen, self._unrecorded = self._unrecorded, None
        versions = (
            [] if chosen is None else [StateRecord(STRATEGIES_KEY, encode_configs(chosen.configs))]
        )
        return chain(versions, self._encoded(self._runner.changed_records()))

    def _encoded(self, records: Iterator[InstrumentRecord]) -> Iterator[StateRecord]:
        states = self._states
        for record in records:
            yield StateRecord(states.key(record), states.encode(record))

    def restore(self, state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        """Continue from a checkpoint, with the strategy versions that may run from there on."""
        chosen = self._versions.choose(
            state.get(STRATEGIES_KEY),
            start,
            topic=self._topics.ticks,
            topic_id=self._topic_id,
            partition=self._partition,
        )
        self._unrecorded = None if chosen.is_recorded else chosen
        source = self._versions.runner(chosen.configs)
        runner = source.partition(topic_id=self._topic_id, partition=self._partition)
        self._running = (source, runner)
        runner.restore(self._records(state))
        return Beginning(
            announcements=[
                Output(
                    self._topics.activations,
                    activation.strategy_id.encode(),
                    self._activations.encode(activation),
                )
                for activation in chosen.activations
            ],
            is_outdated=chosen.is_outdated,
            replay=self._replay(runner),
            origin=chosen.origin,
        )

    def _replay(self, runner: PartitionRunner) -> Replay | None:
        span = runner.needs_ticks()
        if span is None:
            runner.rebuilt()
            return None
        wanted = frozenset(instrument_key(token) for token in span.tokens)

        def take(messages: Sequence[Message]) -> None:
            mine = [message for message in messages if message.key() in wanted]
            runner.rebuild(self._valid(mine))

        return Replay(
            topic=self._topics.ticks,
            first=span.first,
            end=span.end,
            take=take,
            finish=runner.rebuilt,
        )

    def _records(self, state: Mapping[bytes, bytes]) -> Iterator[InstrumentRecord]:
        for key, value in state.items():
            if key != STRATEGIES_KEY and self._misplaced_key(key) is None:
                yield self._states.decode(value)

    def _valid(self, messages: Sequence[Message]) -> Iterator[tuple[int, MarketTick]]:
        """Yield the valid ticks: other records were not processed then either."""
        for message, tick in zip(messages, self._decoded(messages), strict=True):
            if isinstance(tick, MarketTick) and instrument_key(tick[0]) == message.key():
                yield message.offset() or 0, tick

    def close(self) -> None:
        """Shut the processors down."""
        if self._running is not None:
            source, runner = self._running
            source.release(runner)

    def _output(self, said: TradingSignal | Rejection, key: bytes) -> Output:
        if isinstance(said, TradingSignal):
            try:
                return new_output(Output, (self._signals_topic, key, self._encode(said), ()))
            except WireError as error:
                said = refusal(said, error)
                self._telemetry.signal_refused(said)
        return Output(self._topics.rejections, key, self._rejections.encode(said))
