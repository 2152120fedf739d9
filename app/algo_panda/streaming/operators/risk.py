"""Signals and executions in; approved orders, rejections and dead letters out."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.recent_ids import IdSegment
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.risk.engine import RiskEngine
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from algo_panda.streaming.operator import (
    Beginning,
    Message,
    Output,
    Start,
    StateRecord,
    appended_us,
)
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter, check_key
from algo_panda.streaming.operators.ports import Decoder, Encoder, StageTelemetry
from algo_panda.streaming.state_codec import RiskStateCodec, SeenIds, seen_records
from algo_panda.wire.errors import WireError

_DECIDED = "signals"
_BOOKED = "executions"


class RiskOperator:
    """Risk on one partition: checks signals and books executions."""

    def __init__(
        self,
        *,
        engine: RiskEngine,
        signals: Decoder[TradingSignal],
        executions: Decoder[ExecutionReport],
        orders: Encoder[Order],
        rejections: Encoder[Rejection],
        states: RiskStateCodec,
        limits_version: str,
        signals_topic: str,
        executions_topic: str,
        orders_topic: str,
        rejections_topic: str,
        dead_letters: DeadLetterWriter,
        telemetry: StageTelemetry,
        pin_trading_states: Callable[[], int | None],
        now_us: Callable[[], int],
    ) -> None:
        """Keep the parts of the operator. Topics are given by their names on the broker.

        Args:
            engine: checks signals and keeps positions.
            signals: decoder of the first input.
            executions: decoder of the second input.
            orders: encoder of orders.
            rejections: encoder of rejections.
            states: codec of the changelog.
            limits_version: version of the engine's limits.
            signals_topic: the first input.
            executions_topic: the second input.
            orders_topic: for orders.
            rejections_topic: for rejections.
            dead_letters: for records that cannot be used.
            telemetry: counts outputs.
            pin_trading_states: called before each batch; the engine's trading states stay as they
                are then, and the result is how far ``control`` was read.
            now_us: the present time, microseconds since the epoch.
        """
        self._engine = engine
        self._signals = signals
        self._executions = executions
        self._orders = orders
        self._rejections = rejections
        self._states = states
        self._limits_version = limits_version
        self._signals_topic = signals_topic
        self._executions_topic = executions_topic
        self._orders_topic = orders_topic
        self._rejections_topic = rejections_topic
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._pin_trading_states = pin_trading_states
        self._now_us = now_us
        self._executions_offset = 0

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Check signals, or book executions."""
        take = self._on_signal if topic == self._signals_topic else self._on_execution
        outputs: list[Output] = []
        decision = Decision(
            self._now_us(),
            self._pin_trading_states(),
            self._executions_offset,
            self._limits_version,
        )
        for message in messages:
            try:
                outputs.extend(take(message, decision))
            except WireError as error:
                outputs.append(self._dead_letters.write(topic, message, error))
        if topic == self._executions_topic:
            self._executions_offset = (messages[-1].offset() or 0) + 1
        return outputs

    def changed(self) -> Sequence[StateRecord]:
        """Return the ledgers, working orders and ids that changed since the last call."""
        changes, states = self._engine.changes(), self._states
        return [
            *(StateRecord(states.ledger_key(r), states.encode(r)) for r in changes.ledgers),
            *(
                StateRecord(states.order_key(order.client_order_id), states.encode(order))
                for order in changes.working
            ),
            *(StateRecord(states.order_key(name), None) for name in changes.ended),
            *seen_records(_DECIDED, changes.decided, states.encode),
            *seen_records(_BOOKED, changes.booked, states.encode),
        ]

    def restore(self, state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        """Go on from a checkpoint."""
        self._executions_offset = start.offsets[self._executions_topic]
        records = [self._states.decode(value) for value in state.values()]
        self._engine.restore(
            ledgers=(r for r in records if isinstance(r, LedgerRecord)),
            working=(r for r in records if isinstance(r, WorkingOrder)),
            decided=_segments(records, _DECIDED),
            booked=_segments(records, _BOOKED),
        )
        return Beginning()

    def close(self) -> None:
        """Nothing is held."""

    def _on_signal(self, message: Message, decision: Decision) -> Iterable[Output]:
        signal = self._signals.decode(message.value(), message.timestamp()[1])
        check_key(message, instrument_key(signal.instrument_token))
        now_us = decision.decided_us
        for verdict in self._engine.on_signal(signal, now_us, appended_us(message), decision):
            match verdict:
                case Order():
                    self._telemetry.order_approved(verdict)
                    yield Output(
                        self._orders_topic, verdict.account.encode(), self._orders.encode(verdict)
                    )
                case Rejection():
                    self._telemetry.signal_refused(verdict)
                    yield Output(
                        self._rejections_topic,
                        instrument_key(verdict.instrument_token),
                        self._rejections.encode(verdict),
                    )

    def _on_execution(self, message: Message, decision: Decision) -> Iterable[Output]:
        report = self._executions.decode(message.value(), message.timestamp()[1])
        check_key(message, instrument_key(report.instrument_token))
        self._engine.on_execution(report, decision.decided_us)
        return ()


def _segments(
    records: Iterable[LedgerRecord | WorkingOrder | SeenIds], kind: str
) -> list[IdSegment]:
    return [r.segment for r in records if isinstance(r, SeenIds) and r.kind == kind]
