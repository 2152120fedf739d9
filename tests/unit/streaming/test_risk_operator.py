"""Risk between its topics: what it still knows after a restart."""

from decimal import Decimal
from typing import NamedTuple

from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, TradingState
from algo_panda.risk.checks import RiskLimits
from algo_panda.risk.engine import RiskEngine
from algo_panda.risk.ledger import LedgerRecord
from algo_panda.streaming.operator import MessageHeaders, Start, StateRecord, latest
from algo_panda.streaming.operators.dead_letters import DeadLetterWriter
from algo_panda.streaming.operators.ports import SilentStageTelemetry
from algo_panda.streaming.operators.risk import RiskOperator
from algo_panda.streaming.state_codec import RiskStateCodec
from algo_panda.wire.catalogue import load_catalogue
from algo_panda.wire.codecs import load_codecs
from tests.unit.fakes.values import TOKEN, report, signal

CODECS = load_codecs()
STATES = RiskStateCodec(load_catalogue())


class Record(NamedTuple):
    """A message as the client library gives it."""

    name: str
    content: bytes

    def topic(self) -> str:
        return self.name

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 17

    def key(self) -> bytes:
        return b"%d" % TOKEN

    def value(self) -> bytes:
        return self.content

    def timestamp(self) -> tuple[int, int]:
        return (1, 0)

    def headers(self) -> MessageHeaders:
        return None


class Risk:
    """An operator, and what its changelog holds."""

    def __init__(self) -> None:
        self.log: list[StateRecord] = []
        self._operator = self._started()

    def restart(self) -> None:
        """Write a checkpoint, and go on from all of them."""
        self.log += self._operator.changed()
        self._operator = self._started()

    def _started(self) -> RiskOperator:
        operator = RiskOperator(
            engine=RiskEngine(
                limits=RiskLimits(max_quantity=100, max_notional=Decimal(10**6), max_position=100),
                account_for=str.upper,
                trading_state=lambda _account: TradingState.ACTIVE,
                strategy_limit=lambda _id, _version: None,
            ),
            signals=CODECS.signals,
            executions=CODECS.executions,
            orders=CODECS.orders,
            rejections=CODECS.rejections,
            states=STATES,
            limits_version="1",
            signals_topic="signals",
            executions_topic="executions",
            orders_topic="orders",
            rejections_topic="rejections",
            dead_letters=DeadLetterWriter(
                topics={}, telemetry=SilentStageTelemetry(), app_version="1"
            ),
            telemetry=SilentStageTelemetry(),
            pin_trading_states=lambda: 0,
            now_us=lambda: signal().event_time_us,
        )
        operator.restore(latest(self.log), Start(offsets={"executions": 0}, is_settled=True))
        return operator

    def judge(self, given: TradingSignal) -> list[Order]:
        outputs = self._operator.process(
            "signals", [Record("signals", CODECS.signals.encode(given))]
        )
        return [CODECS.orders.decode(one.value) for one in outputs if one.topic == "orders"]

    def book(self, given: ExecutionReport) -> None:
        record = Record("executions", CODECS.executions.encode(given))
        assert list(self._operator.process("executions", [record])) == []

    def positions(self) -> dict[str, int]:
        self.restart()
        decoded = map(STATES.decode, latest(self.log).values())
        (ledger,) = [one for one in decoded if isinstance(one, LedgerRecord)]
        return dict(ledger.positions)


def test_after_a_restart_neither_a_signal_nor_an_execution_counts_again() -> None:
    risk = Risk()
    first, second = risk.judge(signal(brokers=("paper", "zerodha")))
    part = report(first, OrderStatus.PARTIALLY_FILLED, sequence=2, filled=4)
    whole = report(second, OrderStatus.FILLED, sequence=2, filled=10)
    risk.book(part)
    risk.book(whole)
    for _ in range(2):
        assert risk.positions() == {"PAPER": 4, "ZERODHA": 10}  # restarts
        assert risk.judge(signal(brokers=("paper", "zerodha"))) == []
        risk.book(part)
        risk.book(whole)
    risk.book(report(first, OrderStatus.FILLED, sequence=3, filled=6))
    assert risk.positions() == {"PAPER": 10, "ZERODHA": 10}
