"""What risk knows of one strategy on one instrument: positions, working orders, how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.trading import ExecutionReport, Order
from app.risk.checks import Exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingOrder:
    """An approved order that may still be filled."""

    account: str
    remaining: int
    """Units not filled yet, signed: negative when selling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecord:
    """A ledger as a value."""

    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    """Kafka's id of the ``ticks`` topic that ``tick_offset`` counts in; empty before the first."""
    tick_offset: int
    """Source tick of the newest signal seen; an older one is a redelivery."""
    positions: Mapping[str, int] = field(default_factory=dict[str, int])
    """Filled units by account."""
    working: Mapping[str, WorkingOrder] = field(default_factory=dict[str, WorkingOrder])
    """By client order id."""


class Ledger:
    """Books approved orders and their executions; one per (strategy, instrument)."""

    def __init__(self, strategy_id: str, instrument_token: int) -> None:
        self._strategy_id = strategy_id
        self._token = instrument_token
        self._topic_id = ""
        self._offset = -1
        self._positions: dict[str, int] = {}
        self._working: dict[str, WorkingOrder] = {}

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
        remaining = [o.remaining for o in self._working.values() if o.account == account]
        return Exposure(
            position=self._positions.get(account, 0),
            working_buys=sum(r for r in remaining if r > 0),
            working_sells=-sum(r for r in remaining if r < 0),
        )

    def reserve(self, order: Order) -> None:
        """Count an approved order as working."""
        self._working[order.client_order_id] = WorkingOrder(
            account=order.account, remaining=order.side.sign * order.quantity
        )

    def book(self, report: ExecutionReport) -> None:
        """Move what was filled from working to held; forget an order that has ended."""
        if report.last_quantity:
            held = self._positions.get(report.account, 0) + report.signed_quantity
            self._positions[report.account] = held
        order = self._working.get(report.client_order_id)
        if order is None:
            return
        if report.status.is_terminal:
            del self._working[report.client_order_id]
        elif report.last_quantity:
            self._working[report.client_order_id] = WorkingOrder(
                account=order.account, remaining=order.remaining - report.signed_quantity
            )

    def record(self) -> LedgerRecord:
        """The ledger as a value."""
        return LedgerRecord(
            strategy_id=self._strategy_id,
            instrument_token=self._token,
            tick_topic_id=self._topic_id,
            tick_offset=self._offset,
            positions=dict(self._positions),
            working=dict(self._working),
        )

    @classmethod
    def of(cls, record: LedgerRecord) -> "Ledger":
        """The ledger that gave ``record``."""
        ledger = cls(record.strategy_id, record.instrument_token)
        ledger.saw(record.tick_topic_id, record.tick_offset)
        ledger._positions = dict(record.positions)
        ledger._working = dict(record.working)
        return ledger
