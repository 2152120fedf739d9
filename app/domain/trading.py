"""Orders, their executions, refusals, and the trading state of an account."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from app.domain.ids import execution_id, rejection_id
from app.domain.signals import TradingSignal

ALL_ACCOUNTS = "*"
"""A control event for this account is for every account."""


class Side(StrEnum):
    """Which way an order goes."""

    BUY = "BUY"
    SELL = "SELL"

    __hash__ = str.__hash__  # as good as that of an Enum, which is written in Python

    @property
    def sign(self) -> int:
        """+1 to buy, -1 to sell."""
        return 1 if self is Side.BUY else -1


class OrderStatus(StrEnum):
    """Where an order stands after an event (the FIX and nautilus_trader names)."""

    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    __hash__ = str.__hash__  # as good as that of an Enum, which is written in Python

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can happen to the order any more."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


class RejectionCode(StrEnum):
    """Why something was refused; stable names, for dashboards and programs."""

    INVALID_SIGNAL = "INVALID_SIGNAL"
    INVALID_SIGNAL_TYPE = "INVALID_SIGNAL_TYPE"
    INVALID_CONFIDENCE = "INVALID_CONFIDENCE"
    CONFIDENCE_TOO_LOW = "CONFIDENCE_TOO_LOW"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    QUANTITY_EXCEEDS_MAXIMUM = "QUANTITY_EXCEEDS_MAXIMUM"
    INVALID_PRICE = "INVALID_PRICE"
    PRICE_OUTSIDE_BAND = "PRICE_OUTSIDE_BAND"
    INVALID_NOTIONAL = "INVALID_NOTIONAL"
    NOTIONAL_EXCEEDS_MAXIMUM = "NOTIONAL_EXCEEDS_MAXIMUM"
    TICK_TOO_OLD = "TICK_TOO_OLD"
    POSITION_EXCEEDS_MAXIMUM = "POSITION_EXCEEDS_MAXIMUM"
    TRADING_HALTED = "TRADING_HALTED"
    BROKER_UNAVAILABLE = "BROKER_UNAVAILABLE"
    VENUE_REJECTED = "VENUE_REJECTED"


class Stage(StrEnum):
    """Which part refused."""

    RUNNER = "runner"
    RISK = "risk"
    ROUTER = "router"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What a validator or a risk check found wrong."""

    code: RejectionCode
    reason: str
    """One sentence for people, with the numbers compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An approved market order for one account: one record on ``orders``."""

    client_order_id: str
    signal_id: str
    account: str
    broker: str
    strategy_id: str
    strategy_type: str
    instrument_token: int
    side: Side
    quantity: int
    signal_price: Decimal
    """The price the strategy had in mind."""
    reference_price: Decimal
    """Last price of the tick that caused the signal."""
    event_time: datetime
    """Event time of that tick, aware UTC."""
    tick_topic_id: str
    tick_partition: int
    tick_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarded:
    """An order that goes on to a venue of our own, as a record of the topic which that reads."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """One event of an order: one record on ``executions``."""

    execution_id: str
    client_order_id: str
    venue_order_id: str | None
    signal_id: str
    account: str
    broker: str
    strategy_id: str
    strategy_type: str
    instrument_token: int
    side: Side
    status: OrderStatus
    quantity: int
    """Quantity of the order."""
    last_quantity: int
    """Quantity of this fill; 0 where the event is no fill."""
    last_price: Decimal | None
    """Price of this fill; None where the event is no fill."""
    cumulative_quantity: int
    fees: Decimal | None = None
    """Fees and taxes of this fill, in the instrument's currency; None where it is no fill, or they
    are not known."""
    reason: str | None
    event_time: datetime
    """When it happened at the venue, aware UTC; the paper venue takes times of ticks."""

    @classmethod
    def of_order(
        cls,
        order: Order,
        *,
        sequence: int,
        status: OrderStatus,
        event_time: datetime,
        venue_order_id: str | None = None,
        last_quantity: int = 0,
        last_price: Decimal | None = None,
        cumulative_quantity: int = 0,
        fees: Decimal | None = None,
        reason: str | None = None,
    ) -> Self:
        """The ``sequence``-th event (from 1) of ``order``; without a quantity, it is no fill."""
        return cls(
            execution_id=execution_id(order.client_order_id, sequence),
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            signal_id=order.signal_id,
            account=order.account,
            broker=order.broker,
            strategy_id=order.strategy_id,
            strategy_type=order.strategy_type,
            instrument_token=order.instrument_token,
            side=order.side,
            status=status,
            quantity=order.quantity,
            last_quantity=last_quantity,
            last_price=last_price,
            cumulative_quantity=cumulative_quantity,
            fees=fees,
            reason=reason,
            event_time=event_time,
        )

    @property
    def signed_quantity(self) -> int:
        """By how much this event changes the position: negative when selling."""
        return self.side.sign * self.last_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A signal or an order refused by one of our own stages: one record on ``rejections``."""

    rejection_id: str
    stage: Stage
    code: RejectionCode
    reason: str
    signal_id: str
    strategy_id: str
    strategy_type: str
    instrument_token: int
    account: str | None
    broker: str | None
    event_time: datetime
    """Event time of the tick that caused the signal, aware UTC."""
    tick_partition: int
    tick_offset: int

    @classmethod
    def of_signal(
        cls,
        signal: TradingSignal,
        stage: Stage,
        violation: Violation,
        *,
        account: str | None = None,
        broker: str | None = None,
    ) -> Self:
        """``signal`` is refused: as a whole, or as an order on ``account`` at ``broker``."""
        name = rejection_id(stage, signal.signal_id, account)
        return cls._of(signal, name, stage, violation, account, broker)

    @classmethod
    def of_order(cls, order: Order, stage: Stage, violation: Violation) -> Self:
        """``order`` is refused."""
        name = rejection_id(stage, order.client_order_id, order.account)
        return cls._of(order, name, stage, violation, order.account, order.broker)

    @classmethod
    def _of(
        cls,
        refused: TradingSignal | Order,
        name: str,
        stage: Stage,
        violation: Violation,
        account: str | None,
        broker: str | None,
    ) -> Self:
        return cls(
            rejection_id=name,
            stage=stage,
            code=violation.code,
            reason=violation.reason,
            signal_id=refused.signal_id,
            strategy_id=refused.strategy_id,
            strategy_type=refused.strategy_type,
            instrument_token=refused.instrument_token,
            account=account,
            broker=broker,
            event_time=refused.event_time,
            tick_partition=refused.tick_partition,
            tick_offset=refused.tick_offset,
        )


class TradingState(StrEnum):
    """Whether an account may trade (nautilus_trader's names)."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlEvent:
    """Sets the trading state of an account, or of all: one record on ``control``."""

    account: str
    """An account id, or ``*`` for every account."""
    state: TradingState
    reason: str
    issued_by: str
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """A strategy version became active, or ceased to be, from one offset of one partition on."""

    strategy_id: str
    strategy_type: str
    strategy_version: int
    configuration_digest: str
    configuration: str | None = None
    """The configuration itself, as ``app.domain.config_json`` has it; None in old records."""
    active: bool
    reason: str | None
    tick_topic_id: str
    tick_partition: int
    tick_offset: int
    """The first tick that it sees (active), or no longer sees."""
