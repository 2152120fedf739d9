"""Ticks, configurations, signals and orders with defaults, for tests that care about one field."""

import hashlib
import inspect
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.market import MarketTick
from algo_panda.domain.reports import report_of
from algo_panda.domain.signals import SignalResult, SignalType, TradingSignal
from algo_panda.domain.trading import (
    ControlEvent,
    ExecutionReport,
    Order,
    OrderStatus,
    Side,
    TradingState,
)

START = datetime(2024, 3, 1, 9, 15, tzinfo=UTC)
TOKEN = 1001
OTHER_TOKEN = 2002


def changed(record: Any, **changes: Any) -> Any:
    """``record`` with other values for some fields, made as its users make one."""
    if isinstance(record, TradingSignal | Order | ExecutionReport):
        make: Any = type(record).of
        names = inspect.signature(make).parameters
        return make(**{**{name: getattr(record, name) for name in names}, **changes})
    if isinstance(record, SignalResult):
        return SignalResult(**{**record._asdict(), **changes})
    return replace(record, **changes)


def tick(
    price: str | int = 100, *, token: int = TOKEN, seconds: float = 0, quantity: int = 1
) -> MarketTick:
    return MarketTick.of(
        instrument_token=token,
        event_time=START + timedelta(seconds=seconds),
        last_price=price,
        last_traded_quantity=quantity,
    )


def config(strategy_type: str = "talker", *, number: int = 1, **changes: Any) -> StrategyConfig:
    given: dict[str, Any] = {"id": UUID(int=number), "instruments": (TOKEN,), **changes}
    return StrategyConfig(strategy_type=strategy_type, **given)


BUY = SignalResult(signal_type=SignalType.BUY, confidence=0.8, quantity=10, price=Decimal(100))


def control_event(account: str, state: TradingState) -> ControlEvent:
    return ControlEvent(
        account=account,
        state=state,
        reason="a test",
        issued_by="me",
        issued_at=datetime(2026, 1, 5, tzinfo=UTC),
    )


def buy(**changes: Any) -> SignalResult:
    made: SignalResult = changed(BUY, **changes)
    return made


SIGNAL = TradingSignal.of(
    signal_id="5" * 32,
    strategy_id=str(UUID(int=1)),
    strategy_type="talker",
    strategy_version=1,
    model_digest=None,
    instrument_token=TOKEN,
    signal_type=SignalType.BUY,
    confidence=0.8,
    quantity=10,
    price=Decimal("100.50"),
    reasoning=None,
    event_time=START,
    tick_price=Decimal("100.25"),
    brokers=("paper",),
    tick_topic_id="topic-a",
    tick_partition=2,
    tick_offset=7,
)


_OF_A_SIGNAL = (
    "strategy_id",
    "instrument_token",
    "tick_topic_id",
    "tick_partition",
    "tick_offset",
)
"""The fields that make a signal another one."""


def _id_of(record: Any, names: tuple[str, ...], default: Any, given: str, length: int) -> str:
    """An id that is as different as the fields ``names`` are; ``given`` for those of default."""
    values = [getattr(record, name) for name in names]
    if values == [getattr(default, name) for name in names]:
        return given
    return hashlib.sha256(repr(values).encode()).hexdigest()[:length].upper()


def signal(**changes: Any) -> TradingSignal:
    """A signal; its id follows from its strategy, instrument and tick unless it is given."""
    made: TradingSignal = changed(SIGNAL, **changes)
    if "signal_id" in changes:
        return made
    own = _id_of(made, _OF_A_SIGNAL, SIGNAL, SIGNAL.signal_id, 32).lower()
    return changed(made, signal_id=own)  # type: ignore[no-any-return]


ORDER = Order.of(
    client_order_id="ABCDEFGHIJKLMNOPQRST",
    signal_id="5" * 32,
    account="PAPER1",
    broker="paper",
    strategy_id=str(UUID(int=1)),
    strategy_type="talker",
    instrument_token=TOKEN,
    side=Side.BUY,
    quantity=10,
    signal_price=Decimal("100.50"),
    reference_price=Decimal("100.25"),
    event_time=START,
    tick_topic_id="topic-a",
    tick_partition=2,
    tick_offset=7,
)


def order(**changes: Any) -> Order:
    """An order; its id follows from its account, strategy, instrument and tick unless given."""
    made: Order = changed(ORDER, **changes)
    if "client_order_id" in changes:
        return made
    own = _id_of(made, (*_OF_A_SIGNAL, "account"), ORDER, ORDER.client_order_id, 20)
    return changed(made, client_order_id=own)  # type: ignore[no-any-return]


def report(
    of: Order, status: OrderStatus, *, sequence: int = 1, filled: int = 0
) -> ExecutionReport:
    """An event of ``of``; ``filled`` is the quantity of this fill."""
    return report_of(
        of,
        sequence=sequence,
        status=status,
        event_time_us=of.event_time_us,
        venue_order_id="V1",
        last_quantity=filled,
        last_price_raw=of.reference_price_raw if filled else None,
        cumulative_quantity=filled,
    )
