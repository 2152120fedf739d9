"""Ticks in; signals, rejections and dead letters out."""

from collections.abc import Callable, Mapping, Sequence

from app.domain.ids import rejection_id
from app.domain.market import MarketTick
from app.domain.signals import TradingSignal
from app.domain.trading import Rejection, RejectionCode, Stage
from app.runner.partition import PartitionRunner
from app.streaming.operator import Message, Output, StateRecord
from app.streaming.operators.dead_letters import DeadLetterWriter, KeyMismatchError
from app.streaming.operators.ports import Decoder, Encoder, StageTelemetry
from app.streaming.state_codec import InstrumentRecordCodec
from app.wire.errors import (
    InvalidConfidenceError,
    InvalidPriceError,
    InvalidQuantityError,
    WireError,
)

_CODES: tuple[tuple[type[WireError], RejectionCode], ...] = (
    (InvalidPriceError, RejectionCode.INVALID_PRICE),
    (InvalidQuantityError, RejectionCode.INVALID_QUANTITY),
    (InvalidConfidenceError, RejectionCode.INVALID_CONFIDENCE),
)


class RunnerOperator:
    """Runs the strategies of one partition of ``ticks``."""

    def __init__(
        self,
        *,
        runner: PartitionRunner,
        release: Callable[[PartitionRunner], None],
        ticks: Decoder[MarketTick],
        signals: Encoder[TradingSignal],
        rejections: Encoder[Rejection],
        states: InstrumentRecordCodec,
        signals_topic: str,
        rejections_topic: str,
        dead_letters: DeadLetterWriter,
        telemetry: StageTelemetry,
    ) -> None:
        self._runner = runner
        self._release = release
        self._ticks = ticks
        self._signals = signals
        self._rejections = rejections
        self._states = states
        self._signals_topic = signals_topic
        self._rejections_topic = rejections_topic
        self._dead_letters = dead_letters
        self._telemetry = telemetry

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Hand every tick to the strategies on its instrument."""
        outputs: list[Output] = []
        decode, process = self._ticks.decode, self._runner.process
        for message in messages:
            try:
                tick = decode(message.value(), message.timestamp()[1])
                key = message.key()
                if key is None or key != b"%d" % tick.instrument_token:
                    raise KeyMismatchError(key, tick.instrument_token)
            except WireError as error:
                outputs.append(self._dead_letters.write(topic, message, error))
                continue
            outputs.extend(self._output(s, key) for s in process(tick, message.offset() or 0))
        return outputs

    def changed(self) -> Sequence[StateRecord]:
        """The instruments that had ticks since the last call."""
        return [
            StateRecord(self._states.key(record), self._states.encode(record))
            for record in self._runner.changed_records()
        ]

    def restore(self, state: Mapping[bytes, bytes], /) -> None:
        """Go on from a checkpoint."""
        self._runner.restore(map(self._states.decode, state.values()))

    def close(self) -> None:
        """Shut the processors down."""
        self._release(self._runner)

    def _output(self, said: TradingSignal | Rejection, key: bytes) -> Output:
        if isinstance(said, TradingSignal):
            try:
                return Output(self._signals_topic, key, self._signals.encode(said))
            except WireError as error:
                said = _refused(said, error)
                self._telemetry.signal_refused(said)
        return Output(self._rejections_topic, key, self._rejections.encode(said))


def _refused(signal: TradingSignal, error: WireError) -> Rejection:
    """What becomes of a signal that its validator let pass and no reader could read."""
    code = next(
        (code for kind, code in _CODES if isinstance(error, kind)), RejectionCode.INVALID_SIGNAL
    )
    return Rejection(
        rejection_id=rejection_id(Stage.RUNNER, signal.signal_id),
        stage=Stage.RUNNER,
        code=code,
        reason=str(error),
        signal_id=signal.signal_id,
        strategy_id=signal.strategy_id,
        strategy_type=signal.strategy_type,
        instrument_token=signal.instrument_token,
        account=None,
        broker=None,
        event_time=signal.event_time,
        tick_partition=signal.tick_partition,
        tick_offset=signal.tick_offset,
    )
