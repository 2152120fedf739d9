"""Ticks and paper orders in; executions and dead letters out."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from algo_panda.brokers.paper.venue import OpenOrder, PaperVenue
from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import instrument_key
from algo_panda.domain.market import MarketTick
from algo_panda.domain.reports import report_of, with_decision
from algo_panda.domain.routes import RouteRecord
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus
from algo_panda.streaming.operator import (
    Beginning,
    Message,
    Output,
    Start,
    StateRecord,
    appended_us,
)
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter, check_key
from algo_panda.streaming.operators.ports import Decoder, Encoder, StageTelemetry, TickDecoder
from algo_panda.streaming.operators.recent_ticks import RecentTicks, ticks_since
from algo_panda.streaming.state_codec import PaperStateCodec, SeenIds, seen_records
from algo_panda.wire.errors import WireError

Reread = Callable[[int, int], Iterable[Sequence[Message]]]
"""The records of ``ticks`` from one offset to before another, read once more."""


class _Stretch(NamedTuple):
    """The ticks of one instrument from one offset to before another."""

    first: int
    end: int
    ticks: Sequence[tuple[int, MarketTick]]


class PaperOperator:
    """Paper venue on one partition: fills paper orders.

    Its position in ``ticks`` when an order arrives depends on the latency of the order. The fills
    of the order must not: a late order gets the ticks that it missed, from memory or read again.
    """

    def __init__(
        self,
        *,
        partition: int,
        topic_id: str,
        venue: PaperVenue,
        ticks: TickDecoder,
        orders: Decoder[Order],
        executions: Encoder[ExecutionReport],
        states: PaperStateCodec,
        ticks_topic: str,
        executions_topic: str,
        dead_letters: DeadLetterWriter,
        telemetry: StageTelemetry,
        reread: Reread,
        pin_trading_states: Callable[[], int | None],
        now_us: Callable[[], int],
        ticks_kept: int = 32_768,
    ) -> None:
        self._partition = partition
        self._topic_id = topic_id
        self._venue = venue
        self._ticks = ticks
        self._orders = orders
        self._executions = executions
        self._states = states
        self._ticks_topic = ticks_topic
        self._executions_topic = executions_topic
        self._dead_letters = dead_letters
        self._telemetry = telemetry
        self._reread = reread
        self._pin_trading_states = pin_trading_states
        self._now_us = now_us
        self._ticks_kept = ticks_kept
        self._recent = RecentTicks(0, ticks_kept)
        self._earlier = RecentTicks(0, ticks_kept)
        """Ticks read again for late orders: usually the next late orders need them, too."""
        self._far: dict[int, _Stretch] = {}
        """Later ticks of instruments with few ticks, by token."""
        self._at = 0
        self._decision = Decision(0)

    def process(self, topic: str, messages: Sequence[Message], /) -> Sequence[Output]:
        """Fill open orders from ticks, or accept orders."""
        self._decision = Decision(self._now_us(), self._pin_trading_states())
        if topic == self._ticks_topic:
            return self._on_ticks(messages)
        return self._on_orders(topic, messages)

    def changed(self) -> Sequence[StateRecord]:
        """Return the orders and ids that changed since the last call."""
        changes, states = self._venue.changes(), self._states
        return [
            *(
                StateRecord(states.order_key(one.order.client_order_id), states.encode(one))
                for one in changes.open
            ),
            *(StateRecord(states.order_key(name), None) for name in changes.ended),
            *seen_records("orders", changes.seen, states.encode),
            *(StateRecord(states.route_key(route), None) for route in changes.routes),
        ]

    def restore(self, state: Mapping[bytes, bytes], start: Start, /) -> Beginning:
        """Go on from a checkpoint."""
        records = [self._states.decode(value) for value in state.values()]
        self._venue.restore(
            (record for record in records if isinstance(record, OpenOrder)),
            (record.segment for record in records if isinstance(record, SeenIds)),
            (record for record in records if isinstance(record, RouteRecord)),
        )
        self._at = start.offsets[self._ticks_topic]
        self._recent = RecentTicks(self._at, self._ticks_kept)
        return Beginning()

    def close(self) -> None:
        """Nothing is held."""

    def _on_ticks(self, messages: Sequence[Message]) -> Sequence[Output]:
        outputs: list[Output] = []
        venue, keep, waiting = self._venue, self._recent.add, self._venue.instruments
        for offset, tick in self._valid(messages):
            keep(offset, tick)
            if tick.instrument_token in waiting:
                outputs.extend(map(self._output, venue.on_tick(offset, tick)))
        self._at = (messages[-1].offset() or 0) + 1
        return outputs

    def _on_orders(self, topic: str, messages: Sequence[Message]) -> Sequence[Output]:
        outputs: list[Output] = []
        late: list[Order] = []
        for message in messages:
            try:
                order = self._orders.decode(message.value(), message.timestamp()[1])
                check_key(message, instrument_key(order.instrument_token))
            except WireError as error:
                outputs.append(self._dead_letters.write(topic, message, error))
                continue
            taken = self._on_order(order, appended_us(message), late)
            outputs.extend(map(self._output, taken))
        outputs.extend(map(self._output, self._missed_by(late)))
        return outputs

    def _on_order(
        self, order: Order, appended: int, late: list[Order]
    ) -> Iterator[ExecutionReport]:
        """Accept an order and fill it from the ticks that it missed; without these, it is late."""
        if order.tick_topic_id == self._topic_id and order.tick_partition != self._partition:
            yield self._misplaced(order)
            return
        taken = self._venue.on_order(order, self._decision.decided_us, appended)
        yield from taken
        first = self._first(order)
        if not taken or not self._venue.is_open(order):
            return
        if first < self._recent.first:
            late.append(order)
        elif first < self._at:
            missed = self._recent.since(order.instrument_token, first)
            yield from self._venue.on_missed(order, missed)

    def _missed_by(self, late: Sequence[Order]) -> Iterator[ExecutionReport]:
        """Fill late orders from ticks that are no longer in memory."""
        earlier, venue = self._earlier, self._venue
        behind: dict[int, list[tuple[Order, int]]] = {}
        for order in late:
            token, first = order.instrument_token, self._first(order)
            if earlier.first <= first < earlier.end:
                yield from venue.on_missed(order, earlier.since(token, first))
                first = earlier.end
            far = self._far.get(token)
            if far is not None and far.first <= first < far.end:
                yield from venue.on_missed(order, ticks_since(far.ticks, first))
                first = far.end
            if venue.is_open(order):
                behind.setdefault(token, []).append((order, first))
        if behind:
            yield from self._read_for(behind)

    def _read_for(self, behind: dict[int, list[tuple[Order, int]]]) -> Iterator[ExecutionReport]:
        """Read ticks again for these orders, by instrument, each from an offset on."""
        tokens = set(behind)
        start = min(first for orders in behind.values() for _, first in orders)
        window = self._window(start)
        ticks: dict[int, list[tuple[int, MarketTick]]] = {token: [] for token in tokens}
        ended: dict[int, int] = {}
        for messages in self._reread(start, self._at) if start < self._at else ():
            wanted = messages
            if window.is_full:
                keys = set(map(instrument_key, behind))
                wanted = [message for message in messages if message.key() in keys]
            for offset, tick in self._valid(wanted):
                token = tick.instrument_token
                if not window.is_full:
                    window.add(offset, tick)
                if token in behind:
                    ticks[token].append((offset, tick))
                    yield from self._show(behind[token], offset, tick)
                    if not any(self._venue.is_open(order) for order, _ in behind[token]):
                        del behind[token]
                        ended[token] = offset + 1
            if not behind and window.is_full:
                break
        for token in tokens:
            self._keep_far(token, _Stretch(start, ended.get(token, self._at), ticks[token]))

    def _show(
        self, orders: Sequence[tuple[Order, int]], offset: int, tick: MarketTick
    ) -> Iterator[ExecutionReport]:
        for order, first in orders:
            if offset >= first:
                yield from self._venue.on_missed(order, [(offset, tick)])

    def _window(self, start: int) -> RecentTicks:
        """Where ticks from there on are kept: anew, but where it goes on behind what is kept."""
        if self._earlier.end == start and self._earlier.first < start:
            return RecentTicks(
                start, 0
            )  # full from the beginning: the next orders need what is kept
        self._earlier = RecentTicks(start, self._ticks_kept)
        return self._earlier

    def _keep_far(self, token: int, stretch: "_Stretch") -> None:
        if sum(len(one.ticks) + 1 for one in self._far.values()) > self._ticks_kept:
            self._far.clear()
        self._far[token] = stretch

    def _first(self, order: Order) -> int:
        """Return the offset of the first tick that may fill ``order``."""
        return order.tick_offset + 1

    def _misplaced(self, order: Order) -> ExecutionReport:
        return report_of(
            order,
            sequence=1,
            status=OrderStatus.REJECTED,
            event_time_us=order.event_time_us,
            reason=(
                f"ticks of instrument {order.instrument_token} are on partition"
                f" {order.tick_partition}, where its key does not belong: publish them by murmur2"
                f" of the key, which gives partition {self._partition}"
            ),
        )

    def _valid(self, messages: Sequence[Message]) -> Iterator[tuple[int, MarketTick]]:
        """The ticks; of the others, the runner makes dead letters."""
        decoded = self._ticks.decode_many(
            [message.value() for message in messages],
            [message.timestamp()[1] for message in messages],
        )
        for message, tick in zip(messages, decoded, strict=True):
            if isinstance(tick, MarketTick) and instrument_key(tick[0]) == message.key():
                yield message.offset() or 0, tick

    def _output(self, report: ExecutionReport) -> Output:
        self._telemetry.executed(report)
        key = instrument_key(report.instrument_token)
        value = self._executions.encode(with_decision(report, self._decision))
        return Output(self._executions_topic, key, value)
