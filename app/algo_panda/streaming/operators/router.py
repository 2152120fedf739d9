"""Approved orders in; paper orders, executions, rejections and dead letters out."""

from collections.abc import Callable, Mapping, Sequence

from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.routes import RouteRecord
from algo_panda.domain.trading import ExecutionReport, Order, Rejection
from algo_panda.execution.router import OrderRouter
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
from algo_panda.streaming.state_codec import RouterStateCodec, SeenIds, seen_records
from algo_panda.wire.errors import WireError


class RouterOperator:
    """Router of the orders in one partition of ``orders``."""

    def __init__(
        self,
        *,
        router: OrderRouter,
        orders: Decoder[Order],
        paper_orders: Encoder[Order],
        executions: Encoder[ExecutionReport],
        rejections: Encoder[Rejection],
        states: RouterStateCodec,
        paper_orders_topic: str,
        executions_topic: str,
        rejections_topic: str,
        dead_letters: DeadLetterWriter,
        telemetry: StageTelemetry,
        pin_trading_states: Callable[[], int | None],
        now_us: Callable[[], int],
    ) -> None:
        self._router = router
        self._orders = orders
        self._paper_orders = paper_orders
        self._executions = executions
        self._rejections = rejections
        self._states = states
        self._paper_orders_topic = paper_orders_topic
        self._executions_topic = executions_topic
        self._rejections_topic = rejections_topic
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._pin_trading_states = pin_trading_states
        self._now_us = now_us

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Route every order."""
        outputs: list[Output] = []
        decision = Decision(self._now_us(), self._pin_trading_states())
        for message in messages:
            try:
                order = self._orders.decode(message.value(), message.timestamp()[1])
                check_key(message, order.account.encode())
            except WireError as error:
                outputs.append(self._dead_letters.write(topic, message, error))
                continue
            events = self._router.on_order(
                order, decision.decided_us, appended_us(message), decision
            )
            outputs.extend([self._output(event, decision) for event in events])
        return outputs

    def changed(self) -> Sequence[StateRecord]:
        """Return the ids that were added since the last call, and deletions of expired ones."""
        changes = self._router.changes()
        return [
            *seen_records("orders", changes.seen, self._states.encode),
            *(StateRecord(self._states.route_key(route), None) for route in changes.ended),
        ]

    def restore(self, state: Mapping[bytes, bytes], _start: Start, /) -> Beginning:
        """Go on from a checkpoint."""
        records = [self._states.decode(value) for value in state.values()]
        self._router.restore(
            (record.segment for record in records if isinstance(record, SeenIds)),
            (record for record in records if isinstance(record, RouteRecord)),
        )
        return Beginning()

    def close(self) -> None:
        """Nothing is held."""

    def _output(self, event: ExecutionReport | Order | Rejection, decision: Decision) -> Output:
        match event:
            case Order():
                key = instrument_key(event.instrument_token)
                value = self._paper_orders.encode(event._replace(decision=decision))
                return Output(self._paper_orders_topic, key, value)
            case ExecutionReport():
                key = instrument_key(event.instrument_token)
                self._telemetry.executed(event)
                return Output(self._executions_topic, key, self._executions.encode(event))
            case Rejection():
                key = instrument_key(event.instrument_token)
                self._telemetry.signal_refused(event)
                return Output(self._rejections_topic, key, self._rejections.encode(event))
