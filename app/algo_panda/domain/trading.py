"""Orders, their executions, refusals, and the trading state of an account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Self, cast

from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import rejection_id
from algo_panda.domain.money import from_raw, to_raw
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.timestamps import from_micros, to_micros

ALL_ACCOUNTS = "*"
"""A control event for this account is for every account."""

KNOWN_BROKERS = ("paper", "zerodha")
"""Names of brokers that a strategy can send orders to."""


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
    EXPIRED = "EXPIRED"


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


class Order(NamedTuple):
    """An approved market order for one account: one record on ``orders``.

    A tuple of whole numbers, as ticks are (``docs/adr/0003-ticks-are-tuples.md``). Make one with
    ``Order.of``; read prices and times through the properties.
    """

    client_order_id: str
    signal_id: str
    account: str
    broker: str
    strategy_id: str
    strategy_type: str
    instrument_token: int
    side: Side
    quantity: int
    signal_price_raw: int
    """The price the strategy had in mind, in units of ``10**-8``."""
    reference_price_raw: int
    """Last price of the tick that caused the signal, in units of ``10**-8``."""
    event_time_us: int
    """Event time of that tick, microseconds since the epoch."""
    tick_topic_id: str
    tick_partition: int
    tick_offset: int
    decision: Decision | None = None
    """What risk knew when it approved the order; None in a backtest and in old records."""

    @classmethod
    def of(
        cls,
        *,
        client_order_id: str,
        signal_id: str,
        account: str,
        broker: str,
        strategy_id: str,
        strategy_type: str,
        instrument_token: int,
        side: Side,
        quantity: int,
        signal_price: Decimal,
        reference_price: Decimal,
        event_time: datetime,
        tick_topic_id: str,
        tick_partition: int,
        tick_offset: int,
        decision: Decision | None = None,
    ) -> Self:
        """Make an order of plain values.

        Raises:
            PriceError: a price has more than 8 decimals, is too large, or is no number.
            ValueError: the time is naive.
        """
        return cls(
            client_order_id,
            signal_id,
            account,
            broker,
            strategy_id,
            strategy_type,
            instrument_token,
            side,
            quantity,
            to_raw(signal_price),
            to_raw(reference_price),
            to_micros(event_time),
            tick_topic_id,
            tick_partition,
            tick_offset,
            decision,
        )

    @property
    def signal_price(self) -> Decimal:
        """The price the strategy had in mind."""
        return from_raw(self.signal_price_raw)

    @property
    def reference_price(self) -> Decimal:
        """Last price of the tick that caused the signal."""
        return from_raw(self.reference_price_raw)

    @property
    def event_time(self) -> datetime:
        """Event time of that tick, aware UTC."""
        return from_micros(self.event_time_us)


class ExecutionReport(NamedTuple):
    """One event of an order: one record on ``executions``.

    A tuple of whole numbers, as orders are. ``algo_panda.domain.reports.report_of`` makes one of
    an order.
    """

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
    last_price_raw: int | None
    """Price of this fill, in units of ``10**-8``; None where the event is no fill."""
    cumulative_quantity: int
    fees_raw: int | None
    """Fees and taxes of this fill, in ``10**-8`` of the instrument's currency; None where it is no
    fill, or they are not known."""
    reason: str | None
    event_time_us: int
    """When it happened at the venue, microseconds since the epoch; the paper venue takes times of
    ticks."""
    decision: Decision | None = None
    """What the worker that wrote the report knew; None in a backtest and in old records."""

    @classmethod
    def of(
        cls,
        *,
        execution_id: str,
        client_order_id: str,
        venue_order_id: str | None,
        signal_id: str,
        account: str,
        broker: str,
        strategy_id: str,
        strategy_type: str,
        instrument_token: int,
        side: Side,
        status: OrderStatus,
        quantity: int,
        last_quantity: int,
        last_price: Decimal | None,
        cumulative_quantity: int,
        fees: Decimal | None = None,
        reason: str | None,
        event_time: datetime,
        decision: Decision | None = None,
    ) -> Self:
        """Make a report of plain values.

        Raises:
            PriceError: a price or the fees have more than 8 decimals, are too large, or no number.
            ValueError: the time is naive.
        """
        return cls(
            execution_id,
            client_order_id,
            venue_order_id,
            signal_id,
            account,
            broker,
            strategy_id,
            strategy_type,
            instrument_token,
            side,
            status,
            quantity,
            last_quantity,
            None if last_price is None else to_raw(last_price),
            cumulative_quantity,
            None if fees is None else to_raw(fees),
            reason,
            to_micros(event_time),
            decision,
        )

    @property
    def last_price(self) -> Decimal | None:
        """Price of this fill; None where the event is no fill."""
        return None if self.last_price_raw is None else from_raw(self.last_price_raw)

    @property
    def fees(self) -> Decimal | None:
        """Fees and taxes of this fill; None where it is no fill, or they are not known."""
        return None if self.fees_raw is None else from_raw(self.fees_raw)

    @property
    def event_time(self) -> datetime:
        """When it happened at the venue, aware UTC."""
        return from_micros(self.event_time_us)

    @property
    def signed_quantity(self) -> int:
        """By how much this event changes the position: negative when selling."""
        return self.side.sign * self.last_quantity


_NewOrder = Callable[[type[Order], tuple[object, ...]], Order]
new_order = cast("_NewOrder", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""``Order(...)`` in a fraction of its time, for fields that are as they must be."""

_NewReport = Callable[[type[ExecutionReport], tuple[object, ...]], ExecutionReport]
new_report = cast("_NewReport", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]
"""The same of ``ExecutionReport(...)``."""


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
    decision: Decision | None = None
    """What risk or the router knew; None where the runner refused, in a backtest, and in old
    records."""

    @classmethod
    def of_signal(
        cls,
        signal: TradingSignal,
        stage: Stage,
        violation: Violation,
        *,
        account: str | None = None,
        broker: str | None = None,
        decision: Decision | None = None,
    ) -> Self:
        """``signal`` is refused: as a whole, or as an order on ``account`` at ``broker``."""
        name = rejection_id(stage, signal.signal_id, account)
        return cls._of(signal, name, stage, violation, account, broker, decision)

    @classmethod
    def of_order(
        cls, order: Order, stage: Stage, violation: Violation, decision: Decision | None = None
    ) -> Self:
        """``order`` is refused."""
        name = rejection_id(stage, order.client_order_id, order.account)
        return cls._of(order, name, stage, violation, order.account, order.broker, decision)

    @classmethod
    def _of(
        cls,
        refused: TradingSignal | Order,
        name: str,
        stage: Stage,
        violation: Violation,
        account: str | None,
        broker: str | None,
        decision: Decision | None,
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
            decision=decision,
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
    """The configuration in the form of ``algo_panda.domain.config_json``; None in old records."""
    active: bool
    reason: str | None
    tick_topic_id: str
    tick_partition: int
    tick_offset: int
    """The first tick that it sees (active), or no longer sees."""
