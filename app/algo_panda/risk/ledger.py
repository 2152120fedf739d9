"""What risk knows of one strategy on one instrument: positions, working orders, how far it is."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Side
from algo_panda.risk.checks import Exposure

_BUY: Final = Side.BUY
_ENDS: Final = frozenset(status for status in OrderStatus if status.is_terminal)


class WorkingOrder(NamedTuple):
    """An approved order that may still be filled."""

    client_order_id: str
    strategy_id: str
    instrument_token: int
    account: str
    remaining: int
    """Units not filled yet, signed: negative when selling."""


class LedgerRecord(NamedTuple):
    """A ledger as a value, but for its working orders, which are records of their own."""

    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    """Kafka's id of the ``ticks`` topic that ``tick_offset`` counts in; empty before the first."""
    tick_offset: int
    """Source tick of the newest signal seen; an older one is a redelivery."""
    positions: Mapping[str, int] = MappingProxyType({})
    """Filled units by account."""


class ChangedOrders(NamedTuple):
    """What became of working orders since the last question."""

    working: tuple[WorkingOrder, ...]
    """New, or filled in part."""
    ended: tuple[str, ...]
    """Client order ids of those among the ones told of before that can no longer be filled."""


class _Working:
    """A working order as it moves."""

    def __init__(self, account: str, exposure: Exposure, remaining: int) -> None:
        self.account = account
        self.exposure = exposure
        self.remaining = remaining
        self.is_told = False
        """Whether a checkpoint knows of it."""

    def count(self, times: int) -> None:
        """Add so many times what is left of it to what may be filled."""
        if self.remaining > 0:
            self.exposure.working_buys += times * self.remaining
        else:
            self.exposure.working_sells -= times * self.remaining


class Ledger:
    """Books approved orders and their executions; one per (strategy, instrument).

    A checkpoint writes what changed, not what there is: however many orders are working, its
    cost is that of the orders that moved. An order that began and ended since the last one is
    nothing to write.
    """

    def __init__(self, strategy_id: str, instrument_token: int) -> None:
        self._strategy_id = strategy_id
        self._token = instrument_token
        self._topic_id = ""
        self._offset = -1
        self._exposures: dict[str, Exposure] = {}
        self._held: dict[str, Exposure] = {}
        """Those of accounts that something was filled on."""
        self._working: dict[str, _Working] = {}
        self._moved: dict[str, _Working] = {}
        self._ended: list[str] = []
        self.is_changed = False
        """For whoever asks for changes, to remember whom to ask."""

    @property
    def key(self) -> tuple[str, int]:
        """Strategy and instrument."""
        return self._strategy_id, self._token

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
        """What is held, and what working orders may add, on ``account``; always as it is now."""
        exposure = self._exposures.get(account)
        if exposure is None:
            exposure = self._exposures[account] = Exposure()
        return exposure

    def reserve(self, order: Order) -> None:
        """Count an approved order as working."""
        units = order.quantity if order.side is _BUY else -order.quantity
        name, account = order.client_order_id, order.account
        self._moved[name] = self._put(name, account, units)

    def book(self, report: ExecutionReport) -> None:
        """Move what was filled from working to held; forget an order that has ended."""
        (
            _, name, _, _, account, _, _, _, _, side, status, _, filled, _, _, _, _, _,
        ) = report  # fmt: skip
        if filled:
            if side is not _BUY:
                filled = -filled
            exposure = self.exposure(account)
            exposure.position += filled
            self._held[account] = exposure
        order = self._working.get(name)
        if order is None:
            return
        order.count(-1)
        if status in _ENDS:
            del self._working[name]
            self._moved.pop(name, None)
            if order.is_told:
                self._ended.append(name)
        else:
            order.remaining -= filled
            order.count(1)
            self._moved[name] = order

    def record(self) -> LedgerRecord:
        """The ledger as a value, without working orders."""
        return LedgerRecord(
            self._strategy_id,
            self._token,
            self._topic_id,
            self._offset,
            {account: exposure.position for account, exposure in self._held.items()},
        )

    def changed_orders(self) -> ChangedOrders:
        """The orders that began, moved or ended since the last call."""
        moved, self._moved = self._moved, {}
        ended, self._ended = self._ended, []
        for order in moved.values():
            order.is_told = True
        return ChangedOrders(
            tuple([self._record_of(name, order) for name, order in moved.items()]), tuple(ended)
        )

    @classmethod
    def of(cls, record: LedgerRecord, working: Iterable[WorkingOrder] = ()) -> "Ledger":
        """The ledger that gave ``record`` while these orders were working."""
        ledger = cls(record.strategy_id, record.instrument_token)
        ledger.saw(record.tick_topic_id, record.tick_offset)
        for account, position in record.positions.items():
            exposure = ledger._held[account] = ledger.exposure(account)
            exposure.position = position
        for order in working:
            put = ledger._put(order.client_order_id, order.account, order.remaining)
            put.is_told = True
        return ledger

    def _put(self, name: str, account: str, units: int) -> _Working:
        order = self._working[name] = _Working(account, self.exposure(account), units)
        order.count(1)
        return order

    def _record_of(self, name: str, order: _Working) -> WorkingOrder:
        return WorkingOrder(name, self._strategy_id, self._token, order.account, order.remaining)
