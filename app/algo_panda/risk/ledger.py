"""Ledger of one strategy on one instrument: positions and working orders."""

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
    approved_us: int = 0
    """When it was approved, microseconds since the epoch; 0 if unknown."""
    is_acknowledged: bool = True
    """Whether an execution report of it was booked."""


class LedgerRecord(NamedTuple):
    """Value of a ledger without its working orders, which are records of their own."""

    strategy_id: str
    instrument_token: int
    tick_topic_id: str = ""
    """Kafka's id of the ``ticks`` topic that ``tick_offset`` counts in. Only version 1 wrote it."""
    tick_offset: int = -1
    """Source tick of the newest signal that version 1 had seen: older ones are redeliveries."""
    positions: Mapping[str, int] = MappingProxyType({})
    """Filled units by account."""


class ChangedOrders(NamedTuple):
    """Working orders that changed since the last checkpoint."""

    working: tuple[WorkingOrder, ...]
    """New, or filled in part."""
    ended: tuple[str, ...]
    """Client order ids of those in an earlier checkpoint that can no longer be filled."""


class _Working:
    """A working order, changed by its reports."""

    def __init__(
        self,
        account: str,
        exposure: Exposure,
        remaining: int,
        approved_us: int,
        is_acknowledged: bool,
    ) -> None:
        self.account = account
        self.exposure = exposure
        self.remaining = remaining
        self.approved_us = approved_us
        self.is_acknowledged = is_acknowledged
        self.is_released = False
        """Whether it counts no more, because no report of it came."""
        self.is_told = False
        """Whether a checkpoint has it."""

    def count(self, times: int) -> None:
        """Add so many times its unfilled quantity to the exposure."""
        if self.remaining > 0:
            self.exposure.working_buys += times * self.remaining
        else:
            self.exposure.working_sells -= times * self.remaining


class Ledger:
    """Books approved orders and their executions; one per (strategy, instrument).

    A checkpoint writes changes only: its cost depends on the orders that changed, not on the number
    of working orders. An order that began and ended since the last checkpoint is not written.
    """

    def __init__(self, strategy_id: str, instrument_token: int) -> None:
        self._strategy_id = strategy_id
        self._token = instrument_token
        self._topic_id = ""
        self._offset = -1
        self._exposures: dict[str, Exposure] = {}
        self._held: dict[str, Exposure] = {}
        """Exposures of the accounts with fills."""
        self._working: dict[str, _Working] = {}
        self._moved: dict[str, _Working] = {}
        self._ended: list[str] = []
        self.is_changed = False
        """Set by the engine while the ledger is in its list of changed ones."""

    @property
    def key(self) -> tuple[str, int]:
        """Strategy and instrument."""
        return self._strategy_id, self._token

    def was_seen_by_version_1(self, topic_id: str, offset: int) -> bool:
        """Return whether restored state of version 1 covers the signal.

        Version 1 kept no ids, only the tick offset of the newest signal. That holds until the
        first signal behind it.
        """
        if not self._topic_id:
            return False
        if topic_id == self._topic_id and offset <= self._offset:
            return True
        self._topic_id, self._offset = "", -1
        return False

    def exposure(self, account: str) -> Exposure:
        """Return the exposure on ``account``. The object is updated with every order and report."""
        exposure = self._exposures.get(account)
        if exposure is None:
            exposure = self._exposures[account] = Exposure()
        return exposure

    def reserve(self, order: Order, now_us: int) -> None:
        """Count an approved order as working."""
        units = order.quantity if order.side is _BUY else -order.quantity
        name, account = order.client_order_id, order.account
        self._moved[name] = self._put(name, account, units, now_us, is_acknowledged=False)

    def adopt(self, report: ExecutionReport) -> None:
        """Count the order of ``report`` as working: risk has no record of approving it."""
        left = report.quantity - report.cumulative_quantity
        if left > 0 and report.status not in _ENDS:
            units = left if report.side is _BUY else -left
            name, account = report.client_order_id, report.account
            self._moved[name] = self._put(name, account, units, 0, is_acknowledged=True)

    def release(self, client_order_id: str) -> int:
        """Stop counting an order until its first execution report; return its units.

        Returns:
            0 if it has a report.
        """
        order = self._working.get(client_order_id)
        if order is None or order.is_acknowledged:
            return 0
        order.count(-1)
        order.is_released = True
        return abs(order.remaining)

    def forget(self, client_order_id: str) -> bool:
        """Forget an order that was released, and still has no report; return whether it was one."""
        order = self._working.get(client_order_id)
        if order is None or not order.is_released:
            return False
        self._end(client_order_id, order)
        return True

    def book(self, report: ExecutionReport) -> bool:
        """Book a report: add a fill to the position; remove an order that has ended.

        Returns:
            Whether the order was working.
        """
        (
            _, name, _, _, account, _, _, _, _, side, status, _, filled, _, _, _, _, _, _,
        ) = report  # fmt: skip
        if filled:
            if side is not _BUY:
                filled = -filled
            exposure = self.exposure(account)
            exposure.position += filled
            self._held[account] = exposure
        order = self._working.get(name)
        if order is None:
            return False
        if order.is_released:
            order.is_released = False
            order.count(1)
        if status in _ENDS:
            self._end(name, order)
        else:
            order.count(-1)
            order.remaining -= filled
            order.count(1)
            order.is_acknowledged = True
            self._moved[name] = order
        return True

    def record(self) -> LedgerRecord:
        """Return the ledger as a value, without working orders."""
        return LedgerRecord(
            self._strategy_id,
            self._token,
            self._topic_id,
            self._offset,
            {account: exposure.position for account, exposure in self._held.items()},
        )

    def changed_orders(self) -> ChangedOrders:
        """Return the orders that began, changed or ended since the last call."""
        moved, self._moved = self._moved, {}
        ended, self._ended = self._ended, []
        for order in moved.values():
            order.is_told = True
        return ChangedOrders(
            tuple([self._record_of(name, order) for name, order in moved.items()]), tuple(ended)
        )

    @classmethod
    def of(cls, record: LedgerRecord, working: Iterable[WorkingOrder] = ()) -> "Ledger":
        """Restore the ledger of ``record``, with these working orders."""
        ledger = cls(record.strategy_id, record.instrument_token)
        ledger._topic_id, ledger._offset = record.tick_topic_id, record.tick_offset
        for account, position in record.positions.items():
            exposure = ledger._held[account] = ledger.exposure(account)
            exposure.position = position
        for order in working:
            put = ledger._put(
                order.client_order_id,
                order.account,
                order.remaining,
                order.approved_us,
                is_acknowledged=order.is_acknowledged,
            )
            put.is_told = True
        return ledger

    def _end(self, name: str, order: _Working) -> None:
        if not order.is_released:
            order.count(-1)
        del self._working[name]
        self._moved.pop(name, None)
        if order.is_told:
            self._ended.append(name)

    def _put(
        self, name: str, account: str, units: int, approved_us: int, *, is_acknowledged: bool
    ) -> _Working:
        order = self._working[name] = _Working(
            account, self.exposure(account), units, approved_us, is_acknowledged
        )
        order.count(1)
        return order

    def _record_of(self, name: str, order: _Working) -> WorkingOrder:
        return WorkingOrder(
            name,
            self._strategy_id,
            self._token,
            order.account,
            order.remaining,
            order.approved_us,
            order.is_acknowledged,
        )
