"""Lines for people about records."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from algo_panda.cli.signal_lines import line
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import (
    Activation,
    ControlEvent,
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    Side,
    Stage,
    TradingState,
)
from tests.unit.fakes.values import changed

MOMENT = datetime(2013, 10, 7, 13, 30, 1, tzinfo=UTC)
ORIGIN: dict[str, Any] = {
    "strategy_id": "c56a4180",
    "strategy_type": "rules_rsi",
    "instrument_token": 408065,
    "event_time": MOMENT,
}
TICK_AT: dict[str, Any] = {"tick_partition": 3, "tick_offset": 42}
SIGNAL = TradingSignal.of(
    **ORIGIN,
    **TICK_AT,
    tick_topic_id="t",
    signal_id="s",
    strategy_version=1,
    model_digest=None,
    signal_type=SignalType.BUY,
    confidence=0.7,
    quantity=5,
    price=Decimal("184.30"),
    reasoning="RSI 28.31 below 30",
    tick_price=Decimal(184),
    brokers=("paper", "zerodha"),
)
REPORT = ExecutionReport.of(
    **ORIGIN,
    execution_id="e",
    client_order_id="ORDER1",
    venue_order_id=None,
    signal_id="s",
    account="A1",
    broker="paper",
    side=Side.SELL,
    status=OrderStatus.PARTIALLY_FILLED,
    quantity=5,
    last_quantity=2,
    last_price=Decimal("184.5"),
    cumulative_quantity=3,
    reason=None,
)
START = "2013-10-07T13:30:01Z 408065 rules_rsi c56a4180 "


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            MarketTick.of(
                instrument_token=408065,
                event_time=MOMENT,
                last_price="184.3",
                last_traded_quantity=100,
            ),
            "2013-10-07T13:30:01Z 408065 184.3 quantity 100",
        ),
        (
            SIGNAL,
            START + "BUY 5 at 184.3 confidence 0.70 for paper, zerodha RSI 28.31 below 30",
        ),
        (
            changed(SIGNAL, brokers=(), reasoning=None),
            START + "BUY 5 at 184.3 confidence 0.70 for readers only",
        ),
        (
            Order.of(
                **ORIGIN,
                **TICK_AT,
                tick_topic_id="t",
                client_order_id="ORDER1",
                signal_id="s",
                account="A1",
                broker="paper",
                side=Side.BUY,
                quantity=5,
                signal_price=Decimal(1),
                reference_price=Decimal("184.3"),
            ),
            START + "BUY 5 at market (tick 184.3) on account A1 at paper, order ORDER1",
        ),
        (
            Rejection(
                **ORIGIN,
                **TICK_AT,
                rejection_id="r",
                stage=Stage.RISK,
                code=RejectionCode.TRADING_HALTED,
                reason="account A1 is HALTED",
                signal_id="s",
                account="A1",
                broker="paper",
            ),
            START + "refused by risk: TRADING_HALTED account A1 is HALTED",
        ),
        (
            REPORT,
            START
            + "PARTIALLY_FILLED SELL 3/5 filled 2 at 184.5 on account A1 at paper, order ORDER1",
        ),
        (
            changed(REPORT, status=OrderStatus.REJECTED, last_price=None, reason="no"),
            START + "REJECTED SELL 3/5 on account A1 at paper, order ORDER1: no",
        ),
        (
            Activation(
                **TICK_AT,
                strategy_id="c56a4180",
                strategy_type="rules_rsi",
                strategy_version=2,
                configuration_digest="d",
                active=True,
                reason=None,
                tick_topic_id="t",
            ),
            "rules_rsi c56a4180 version 2 from partition 3 offset 42",
        ),
        (
            ControlEvent(
                account="*",
                state=TradingState.HALTED,
                reason="news",
                issued_by="ann",
                issued_at=MOMENT,
            ),
            "2013-10-07T13:30:01Z all accounts HALTED by ann: news",
        ),
    ],
)
def test_each_kind_of_record_has_its_line(record: Any, text: str):
    assert line(record) == text


def test_what_a_strategy_says_cannot_steer_the_terminal():
    assert line(changed(SIGNAL, reasoning="a\x1b[31mb\nc")).endswith("a�[31mb�c")
