"""What risk knows of one strategy on one instrument: positions, working orders, how far it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from app.domain.trading import ExecutionReport, Order
from app.risk.checks import Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingOrder:
    """An approved order that may still be filled."""

    client_order_id: str
    strategy_id: str
    instrument_token: int
    account: str
    remaining: int
    """Units not filled yet, signed: negative when selling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """A ledger as a value, but for its working orders, which are records of their own."""

    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    """Kafka's id of the ``ticks`` topic that ``tick_offset`` counts in; empty before the first."""
    tick_offset: int
    """Source tick of the newest signal seen; an older one is a redelivery."""
    positions: Mapping[str, int] = field(default_factory=dict[str, int])
    """Filled units by account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedOrders:
    """What became of working orders since the last question."""

    working: tuple[WorkingOrder, ...]
    """New, or filled in part."""
    ended: tuple[str, ...]
    """Client order ids of those that can no longer be filled."""


class Ledger:
    """Books approved orders and their executions; one per (strategy, instrument).

    A checkpoint writes what changed, not what there is: however many orders are working, its
    cost is that of the orders that moved.
    """

    def __init__(self, strategy_id: str, instrument_token: int) -> None:
        self._strategy_id = strategy_id
        self._token = instrument_token
        self._topic_id = ""
        self._offset = -1
        self._positions: dict[str, int] = {}
        self._working: dict[str, WorkingOrder] = {}
        self._buys: dict[str, int] = {}
        self._sells: dict[str, int] = {}
        self._moved: dict[str, None] = {}

    def is_redelivery(self, topic_id: str, offset: int) -> bool:
        """Whether a signal of this tick or a later one has been seen.

        The tick offset of one strategy's signals on one instrument only rises, so what does not
        rise was seen before. Another topic id means that offsets began anew.
        """
        return topic_id == self._topic_id and offset <= self._offset

    def saw(self, topic_id: str, offset: int) -> None:
        """Remember the newest signal."""
        self._topic_id, self._offset = topic_id, offset

    def exposure(self, account: str) -> Exposure:
        """What is held, and what working orders may add, on ``account``."""
        return Exposure(
            position=self._positions.get(account, 0),
            working_buys=self._buys.get(account, 0),
            working_sells=self._sells.get(account, 0),
        )

    def reserve(self, order: Order) -> None:
        """Count an approved order as working."""
        self._put(
            WorkingOrder(
                client_order_id=order.client_order_id,
                strategy_id=self._strategy_id,
                instrument_token=self._token,
                account=order.account,
                remaining=order.side.sign * order.quantity,
            )
        )
        self._moved[order.client_order_id] = None

    def book(self, report: ExecutionReport) -> None:
        """Move what was filled from working to held; forget an order that has ended."""
        if report.last_quantity:
            held = self._positions.get(report.account, 0) + report.signed_quantity
            self._positions[report.account] = held
        order = self._take(report.client_order_id)
        if order is None:
            return
        self._moved[order.client_order_id] = None
        if not report.status.is_terminal:
            self._put(replace(order, remaining=order.remaining - report.signed_quantity))

    def record(self) -> LedgerRecord:
        """The ledger as a value, without working orders."""
        return LedgerRecord(
            strategy_id=self._strategy_id,
            instrument_token=self._token,
            tick_topic_id=self._topic_id,
            tick_offset=self._offset,
            positions=dict(self._positions),
        )

    def changed_orders(self) -> ChangedOrders:
        """The orders that began, moved or ended since the last call."""
        moved, self._moved = self._moved, {}
        return ChangedOrders(
            working=tuple(self._working[name] for name in moved if name in self._working),
            ended=tuple(name for name in moved if name not in self._working),
        )

    @classmethod
    def of(cls, record: LedgerRecord, working: Iterable[WorkingOrder] = ()) -> "Ledger":
        """The ledger that gave ``record`` while these orders were working."""
        ledger = cls(record.strategy_id, record.instrument_token)
        ledger.saw(record.tick_topic_id, record.tick_offset)
        ledger._positions = dict(record.positions)
        for order in working:
            ledger._put(order)
        return ledger

    def _put(self, order: WorkingOrder) -> None:
        self._working[order.client_order_id] = order
        self._count(order, 1)

    def _take(self, client_order_id: str) -> WorkingOrder | None:
        order = self._working.pop(client_order_id, None)
        if order is not None:
            self._count(order, -1)
        return order

    def _count(self, order: WorkingOrder, times: int) -> None:
        side = self._buys if order.remaining > 0 else self._sells
        side[order.account] = side.get(order.account, 0) + times * abs(order.remaining)
