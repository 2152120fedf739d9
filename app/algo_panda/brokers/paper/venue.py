"""The paper venue: orders wait for ticks that fill them. Knows no Kafka.

What becomes of an order is a function of the order and of the ticks behind the one that caused
it. Orders do not see one another: each may take the same tick, so that it does not matter in
which order they arrive.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, NamedTuple

from algo_panda.brokers.paper.fees import FeeSchedule
from algo_panda.brokers.paper.filling import Filling
from algo_panda.brokers.paper.fills import FillModel
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import from_raw, to_raw
from algo_panda.domain.recent_ids import IdSegment, RecentIds, SegmentChanges
from algo_panda.domain.reports import report_of
from algo_panda.domain.routes import RestoredRoutes, RouteRecord
from algo_panda.domain.time_to_live import ID_MEMORY_US, VENUE_LIMIT_US, moment
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Side, TradingState

_ACCEPTED: Final = OrderStatus.ACCEPTED
_PARTIALLY_FILLED: Final = OrderStatus.PARTIALLY_FILLED
_FILLED: Final = OrderStatus.FILLED
_EXPIRED: Final = OrderStatus.EXPIRED
_HALTED: Final = TradingState.HALTED


class OpenOrder(NamedTuple):
    """An order at the venue that has not come to its end."""

    order: Order
    filled: int = 0
    """Units."""
    events: int = 1
    """Reports of it so far."""
    notional_raw: int = 0
    """Quantity times price of its fills, in ``10**-8``."""


class VenueChanges(NamedTuple):
    """What changed between two checkpoints."""

    open: tuple[OpenOrder, ...]
    """New, or filled in part."""
    ended: tuple[str, ...]
    """Client order ids of those among the ones told of before that have come to their end."""
    seen: SegmentChanges
    """Ids of orders."""
    routes: tuple[RouteRecord, ...]
    """Routes of version 1 that hold no longer."""


class _Waiting:
    """An open order, with what does not change about it worked out."""

    def __init__(self, order: Order, filled: int, events: int, notional_raw: int) -> None:
        (
            name, _, _, _, _, _, token, _, quantity, _, reference_raw, time_us, _, _, offset, _,
        ) = order  # fmt: skip
        self.order = order
        self.name = name
        self.venue_order_id = f"PAPER-{name}"
        self.token = token
        self.quantity = quantity
        self.filled = filled
        self.events = events
        self.notional_raw = notional_raw
        self.after = offset
        """Ticks up to this offset came before the order."""
        self.caused_us = time_us
        self.reference_raw = reference_raw
        self.arrival_us = time_us
        self.is_told = False
        """Whether a checkpoint knows of it."""

    def is_due(self, offset: int, tick: MarketTick) -> bool:
        """Whether ``tick`` may fill the order, or end it."""
        happened = tick.event_time_us
        return (
            offset > self.after
            and happened >= self.arrival_us
            and (happened != self.caused_us or tick.price_raw != self.reference_raw)
        )

    def record(self) -> OpenOrder:
        """The order as a value."""
        return OpenOrder(self.order, self.filled, self.events, self.notional_raw)


class PaperVenue:
    """The orders of the instruments of one partition of ``ticks``, or of all in a replay.

    Args:
        topic_id: Kafka's id of the topic whose ticks it is shown.
        model: how orders are filled.
        fees: what fills cost; None: nobody asks.
        trading_state: the state of an account at the moment. While it is HALTED, ticks pass by
            its orders: they stay open, and they may expire. None: no account is ever halted.
        order_limit_us: how long an order may be under way to the venue, microseconds.
    """

    def __init__(
        self,
        *,
        topic_id: str,
        model: FillModel,
        fees: FeeSchedule | None = None,
        trading_state: Callable[[str], TradingState] | None = None,
        order_limit_us: int = VENUE_LIMIT_US,
    ) -> None:
        self._topic_id = topic_id
        self._order_limit_us = order_limit_us
        self._trading_state = trading_state
        self._filling = Filling(model)
        self._fees = fees
        self._seen = RecentIds(max(ID_MEMORY_US, order_limit_us))
        self._routes = RestoredRoutes()
        self._waiting: dict[int, dict[str, _Waiting]] = {}
        self._moved: dict[str, _Waiting] = {}
        self._ended: list[str] = []

    @property
    def instruments(self) -> Container[int]:
        """Those that have open orders; always as things are now."""
        return self._waiting

    @property
    def open_orders(self) -> int:
        """How many have not come to their end."""
        return sum([len(waiting) for waiting in self._waiting.values()])

    def on_order(
        self, order: Order, now_us: int | None = None, appended_us: int = 0
    ) -> Sequence[ExecutionReport]:
        """Accept an order and return its first event; none if it is a redelivery.

        An order that was under way for too long ends as expired: risk counts it no more.

        Args:
            order: the order. No tick fills it in this call.
            now_us: the present time, microseconds since the epoch; None: the order's event time,
                as in a backtest.
            appended_us: when the order was appended to its topic; 0 if unknown.
        """
        now = order.event_time_us if now_us is None else now_us
        if not self._seen.add(order.client_order_id, now) or self._routes.cover(order):
            return ()
        if self.is_open(order):
            return ()
        if order.tick_topic_id != self._topic_id:
            return (_of_another_topic(order),)
        if appended_us and now - appended_us > self._order_limit_us:
            return (_under_way_too_long(order, appended_us, now, self._order_limit_us),)
        one = self._put(_Waiting(order, 0, 1, 0))
        self._moved[one.name] = one
        return (
            report_of(
                order,
                sequence=1,
                status=_ACCEPTED,
                event_time_us=one.caused_us,
                venue_order_id=one.venue_order_id,
            ),
        )

    def on_tick(self, offset: int, tick: MarketTick) -> Sequence[ExecutionReport]:
        """What a tick does to the orders of its instrument, oldest order first."""
        waiting = self._waiting.get(tick.instrument_token)
        if waiting is None:
            return ()
        reports: list[ExecutionReport] = []
        for one in list(waiting.values()):
            report = self._offer(one, offset, tick)
            if report is not None:
                reports.append(report)
        return reports

    def on_missed(
        self, order: Order, ticks: Iterable[tuple[int, MarketTick]]
    ) -> Sequence[ExecutionReport]:
        """What ticks do to ``order`` that had gone by when it came: those of its instrument."""
        reports: list[ExecutionReport] = []
        name, token = order.client_order_id, order.instrument_token
        for offset, tick in ticks:
            one = self._waiting.get(token, {}).get(name)
            if one is None:
                break
            report = self._offer(one, offset, tick)
            if report is not None:
                reports.append(report)
        return reports

    def is_open(self, order: Order) -> bool:
        """Whether ``order`` waits for ticks."""
        return order.client_order_id in self._waiting.get(order.instrument_token, ())

    def changes(self) -> VenueChanges:
        """What changed since the last call; nothing of what began and ended since then."""
        moved, self._moved = self._moved, {}
        ended, self._ended = self._ended, []
        for one in moved.values():
            one.is_told = True
        return VenueChanges(
            tuple([one.record() for one in moved.values()]),
            tuple(ended),
            self._seen.changes(),
            self._routes.ended(),
        )

    def restore(
        self,
        opened: Iterable[OpenOrder],
        seen: Iterable[IdSegment],
        routes: Iterable[RouteRecord] = (),
    ) -> None:
        """Continue from the state of all earlier checkpoints; call before the first order."""
        self._seen.restore(seen)
        for order, filled, events, notional_raw in sorted(opened, key=_age):
            one = self._put(_Waiting(order, filled, events, notional_raw))
            one.is_told = True
        self._routes.restore(routes)

    def _put(self, one: _Waiting) -> _Waiting:
        one.arrival_us = self._filling.arrival_us(one.order, one.caused_us)
        waiting = self._waiting.get(one.token)
        if waiting is None:
            waiting = self._waiting[one.token] = {}
        waiting[one.name] = one
        return one

    def _offer(self, one: _Waiting, offset: int, tick: MarketTick) -> ExecutionReport | None:
        if not one.is_due(offset, tick):
            return None
        if tick.event_time_us > one.caused_us + self._filling.expire_after_us:
            return self._expired(one, tick)
        if self._trading_state is not None and self._trading_state(one.order.account) is _HALTED:
            return None
        quantity = self._filling.quantity(one.quantity - one.filled, tick)
        if not quantity:
            return None
        return self._filled(one, quantity, tick)

    def _filled(self, one: _Waiting, quantity: int, tick: MarketTick) -> ExecutionReport:
        one.events += 1
        price_raw = self._filling.price_raw(one.order, one.events, tick)
        one.filled += quantity
        before_raw = one.notional_raw
        one.notional_raw += quantity * price_raw
        is_whole = one.filled == one.quantity
        if is_whole:
            self._end(one)
        else:
            self._moved[one.name] = one
        return report_of(
            one.order,
            sequence=one.events,
            status=_FILLED if is_whole else _PARTIALLY_FILLED,
            event_time_us=tick.event_time_us,
            venue_order_id=one.venue_order_id,
            last_quantity=quantity,
            last_price_raw=price_raw,
            cumulative_quantity=one.filled,
            fees_raw=self._fees_of(one.order.side, before_raw, one.notional_raw),
        )

    def _fees_of(self, side: Side, before_raw: int, after_raw: int) -> int | None:
        if self._fees is None:
            return None
        return to_raw(self._fees.of_fill(side, from_raw(before_raw), from_raw(after_raw)))

    def _expired(self, one: _Waiting, tick: MarketTick) -> ExecutionReport:
        self._end(one)
        left = one.quantity - one.filled
        return report_of(
            one.order,
            sequence=one.events + 1,
            status=_EXPIRED,
            event_time_us=tick.event_time_us,
            venue_order_id=one.venue_order_id,
            cumulative_quantity=one.filled,
            reason=(
                f"{left} of {one.quantity} units were not filled within "
                f"{self._filling.expire_after_us / 1_000_000:g} s"
            ),
        )

    def _end(self, one: _Waiting) -> None:
        waiting = self._waiting[one.token]
        del waiting[one.name]
        if not waiting:
            del self._waiting[one.token]
        self._moved.pop(one.name, None)
        if one.is_told:
            self._ended.append(one.name)


def _of_another_topic(order: Order) -> ExecutionReport:
    return _end_of_unknown(
        order, f"the topic of its ticks, of id {order.tick_topic_id}, is no more"
    )


def _under_way_too_long(
    order: Order, appended_us: int, now_us: int, limit_us: int
) -> ExecutionReport:
    return _end_of_unknown(
        order,
        f"it was sent to the paper venue at {moment(appended_us, now_us)}; the venue accepts an"
        f" order for {limit_us // 1_000_000} s",
    )


def _end_of_unknown(order: Order, reason: str) -> ExecutionReport:
    """Return the end of an order of which the venue does not know what became of it before.

    It may have been filled before the venue's state was lost: to fill it once more would be a
    trade that nobody ordered. The number of the report is that of no other one.
    """
    return report_of(
        order,
        sequence=0,
        status=_EXPIRED,
        event_time_us=order.event_time_us,
        venue_order_id=f"PAPER-{order.client_order_id}",
        reason=reason,
    )


def _age(one: OpenOrder) -> tuple[int, str]:
    """Reports of one tick come in the order of the ticks that caused the orders."""
    return one.order.tick_offset, one.order.client_order_id
