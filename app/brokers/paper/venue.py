"""The paper venue: orders wait for ticks that fill them. Knows no Kafka.

What becomes of an order is a function of the order and of the ticks behind the one that caused
it. Orders do not see one another: each may take the same tick, so that it does not matter in
which order they arrive.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.brokers.paper.fees import FeeSchedule
from app.brokers.paper.fills import FillModel
from app.domain.market import MarketTick
from app.domain.money import from_raw, to_raw
from app.domain.routes import RouteRecord, Routes
from app.domain.timestamps import to_micros
from app.domain.trading import ExecutionReport, Order, OrderStatus, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order at the venue that has not come to its end."""

    order: Order
    filled: int = 0
    """Units."""
    events: int = 1
    """Reports of it so far."""
    notional_raw: int = 0
    """Quantity times price of its fills, in ``10**-8``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueChanges:
    """What changed between two checkpoints."""

    open: tuple[OpenOrder, ...]
    """New, or filled in part."""
    ended: tuple[str, ...]
    """Client order ids."""
    routes: tuple[RouteRecord, ...]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An open order, with what does not change about it worked out."""

    open: OpenOrder
    after: int
    """Ticks up to this offset came before the order."""
    caused_us: int
    reference_raw: int
    arrival_us: int

    def is_due(self, offset: int, tick: MarketTick) -> bool:
        """Whether ``tick`` may fill the order, or end it."""
        happened = tick.event_time_us
        return (
            offset > self.after
            and happened >= self.arrival_us
            and (happened != self.caused_us or tick.price_raw != self.reference_raw)
        )


class PaperVenue:
    """The orders of the instruments of one partition of ``ticks``, or of all in a replay.

    Args:
        topic_id: Kafka's id of the topic whose ticks it is shown.
        model: how orders are filled.
        fees: what fills cost; None: nobody asks.
    """

    def __init__(self, *, topic_id: str, model: FillModel, fees: FeeSchedule | None = None) -> None:
        self._topic_id = topic_id
        self._model = model
        self._fees = fees
        self._routes = Routes()
        self._waiting: dict[int, dict[str, _Waiting]] = {}
        self._changed: dict[str, int] = {}

    @property
    def instruments(self) -> Container[int]:
        """Those that have open orders; always as things are now."""
        return self._waiting

    @property
    def open_orders(self) -> int:
        """How many have not come to their end."""
        return sum(map(len, self._waiting.values()))

    def on_order(self, order: Order) -> Sequence[ExecutionReport]:
        """Take an order; nothing where it is a redelivery. No tick fills it in this call."""
        if not self._routes.is_new(order):
            return ()
        if order.tick_topic_id != self._topic_id:
            return (_of_another_topic(order),)
        self._put(OpenOrder(order=order))
        return (
            ExecutionReport.of_order(
                order,
                sequence=1,
                status=OrderStatus.ACCEPTED,
                event_time=order.event_time,
                venue_order_id=_name(order),
            ),
        )

    def on_tick(self, offset: int, tick: MarketTick) -> Sequence[ExecutionReport]:
        """What a tick does to the orders of its instrument, oldest order first."""
        waiting = self._waiting.get(tick.instrument_token)
        if waiting is None:
            return ()
        reports = (self._offer(one, offset, tick) for one in tuple(waiting.values()))
        return [report for report in reports if report is not None]

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
        """What changed since the last call."""
        changed, self._changed = self._changed, {}
        found = [(name, self._waiting.get(token, {}).get(name)) for name, token in changed.items()]
        return VenueChanges(
            open=tuple(one.open for _, one in found if one is not None),
            ended=tuple(name for name, one in found if one is None),
            routes=tuple(self._routes.changed_records()),
        )

    def restore(self, opened: Iterable[OpenOrder], routes: Iterable[RouteRecord]) -> None:
        """Go on from there; call before the first order and tick."""
        for one in sorted(opened, key=_age):
            self._put(one)
        self._changed.clear()
        self._routes.restore(routes)

    def _put(self, one: OpenOrder) -> None:
        order = one.order
        caused_us = to_micros(order.event_time)
        self._waiting.setdefault(order.instrument_token, {})[order.client_order_id] = _Waiting(
            one,
            order.tick_offset,
            caused_us,
            to_raw(order.reference_price),
            self._model.arrival_us(order, caused_us),
        )
        self._changed[order.client_order_id] = order.instrument_token

    def _offer(self, one: _Waiting, offset: int, tick: MarketTick) -> ExecutionReport | None:
        if not one.is_due(offset, tick):
            return None
        if tick.event_time_us > one.caused_us + self._model.expire_after_us:
            return self._expired(one.open, tick)
        wanted = one.open.order.quantity - one.open.filled
        quantity = self._model.quantity(wanted, tick)
        if not quantity:
            return None
        return self._filled(one, quantity, tick)

    def _filled(self, one: _Waiting, quantity: int, tick: MarketTick) -> ExecutionReport:
        before = one.open
        order, number = before.order, before.events + 1
        price_raw = self._model.price_raw(order, number, tick)
        filled = before.filled + quantity
        notional_raw = before.notional_raw + quantity * price_raw
        is_whole = filled == order.quantity
        if is_whole:
            self._end(order)
        else:
            after = replace(before, filled=filled, events=number, notional_raw=notional_raw)
            self._waiting[order.instrument_token][order.client_order_id] = replace(one, open=after)
            self._changed[order.client_order_id] = order.instrument_token
        return ExecutionReport.of_order(
            order,
            sequence=number,
            status=OrderStatus.FILLED if is_whole else OrderStatus.PARTIALLY_FILLED,
            event_time=tick.event_time,
            venue_order_id=_name(order),
            last_quantity=quantity,
            last_price=from_raw(price_raw),
            cumulative_quantity=filled,
            fees=self._fees_of(order.side, before.notional_raw, notional_raw),
        )

    def _fees_of(self, side: Side, before_raw: int, after_raw: int) -> Decimal | None:
        if self._fees is None:
            return None
        return self._fees.of_fill(side, from_raw(before_raw), from_raw(after_raw))

    def _expired(self, one: OpenOrder, tick: MarketTick) -> ExecutionReport:
        self._end(one.order)
        left = one.order.quantity - one.filled
        return ExecutionReport.of_order(
            one.order,
            sequence=one.events + 1,
            status=OrderStatus.EXPIRED,
            event_time=tick.event_time,
            venue_order_id=_name(one.order),
            cumulative_quantity=one.filled,
            reason=(
                f"{left} of {one.order.quantity} units were not filled within "
                f"{self._model.expire_after_us / 1_000_000:g} s"
            ),
        )

    def _end(self, order: Order) -> None:
        waiting = self._waiting[order.instrument_token]
        del waiting[order.client_order_id]
        if not waiting:
            del self._waiting[order.instrument_token]
        self._changed[order.client_order_id] = order.instrument_token


def _of_another_topic(order: Order) -> ExecutionReport:
    """The end of an order whose ticks are gone with their topic, whatever became of it there.

    It may have been filled before the topic was made anew: to fill it once more would be a trade
    that nobody ordered. Its number is that of no other report.
    """
    return ExecutionReport.of_order(
        order,
        sequence=0,
        status=OrderStatus.EXPIRED,
        event_time=order.event_time,
        venue_order_id=_name(order),
        reason=f"the topic of its ticks, of id {order.tick_topic_id}, is no more",
    )


def _name(order: Order) -> str:
    return f"PAPER-{order.client_order_id}"


def _age(one: OpenOrder) -> tuple[int, str]:
    """Reports of one tick come in the order of the ticks that caused the orders."""
    return one.order.tick_offset, one.order.client_order_id
