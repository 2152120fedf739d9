"""Risk's books against a naive model, whatever happens to the orders and in whatever order."""

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from algo_panda.domain.recent_ids import IdSegment
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import (
    ExecutionReport,
    Order,
    OrderStatus,
    Rejection,
    RejectionCode,
    TradingState,
)
from algo_panda.risk.checks import RiskLimits, StrategyLimit, UnknownLimit
from algo_panda.risk.engine import RiskChanges, RiskEngine
from algo_panda.risk.ledger import LedgerRecord, WorkingOrder
from tests.unit.fakes.values import report, signal

LIMIT = 20
LIMITS = RiskLimits(max_quantity=1000, max_notional=Decimal(10**9), max_position=LIMIT)
OWN_LIMITS: dict[int, StrategyLimit] = {1: None, 2: 7, 3: LIMIT + 5, 4: UnknownLimit("lost")}
"""``max_position_size`` of each version of the strategy."""
ALLOWED = {1: LIMIT, 2: 7, 3: LIMIT, 4: 0}
BROKERS = ("paper", "zerodha")


@dataclass
class NaiveOrder:
    """An order as approved, and what has been filled of it."""

    order: Order
    filled: int = 0
    events: int = 0
    ended: bool = False

    @property
    def open(self) -> int:
        return 0 if self.ended else self.order.quantity - self.filled


class Books(RuleBasedStateMachine):
    """Signals are judged, orders filled in parts, canceled, refused; workers are restarted."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = self._engine()
        self.ledgers = dict[tuple[str, int], LedgerRecord]()
        self.working_orders = dict[str, WorkingOrder]()
        self.orders: list[NaiveOrder] = []
        self.offset = 0
        self.signals: list[TradingSignal] = []
        self.reports: list[ExecutionReport] = []
        self.decided = dict[int, IdSegment]()
        self.booked = dict[int, IdSegment]()

    def _engine(self) -> RiskEngine:
        return RiskEngine(
            limits=LIMITS,
            account_for=lambda broker: broker.upper(),
            trading_state=lambda _: TradingState.ACTIVE,
            strategy_limit=lambda _id, version: OWN_LIMITS[version],
        )

    def on(self, account: str) -> list[NaiveOrder]:
        return [one for one in self.orders if one.order.account == account]

    def held(self, account: str) -> int:
        return sum(one.order.side.sign * one.filled for one in self.on(account))

    def working(self, account: str, sign: int) -> int:
        return sum(one.open for one in self.on(account) if one.order.side.sign == sign)

    @rule(
        side=st.sampled_from([SignalType.BUY, SignalType.SELL]),
        quantity=st.integers(min_value=1, max_value=2 * LIMIT + 5),
        brokers=st.lists(st.sampled_from(BROKERS), unique=True, max_size=2),
        version=st.sampled_from(sorted(ALLOWED)),
    )
    def a_signal_is_judged(
        self, side: SignalType, quantity: int, brokers: list[str], version: int
    ) -> None:
        self.offset += 1
        sign = 1 if side is SignalType.BUY else -1
        expected = {}
        for broker in brokers:
            held = self.held(broker.upper())
            worst = held + sign * (self.working(broker.upper(), sign) + quantity)
            nearer = abs(worst) < abs(held) and (worst == 0 or (worst > 0) == (held > 0))
            expected[broker] = nearer or abs(worst) <= ALLOWED[version]
        given = signal(
            signal_id=f"{self.offset:032x}",
            signal_type=side,
            quantity=quantity,
            brokers=tuple(brokers),
            tick_offset=self.offset,
            strategy_version=version,
        )
        self.signals.append(given)
        verdicts = self.engine.on_signal(given)
        assert len(verdicts) == len(brokers)
        for broker, verdict in zip(brokers, verdicts, strict=True):
            match verdict:
                case Order():
                    assert expected[broker]
                    assert (verdict.side.value, verdict.quantity) == (side.value, quantity)
                    self.orders.append(NaiveOrder(verdict))
                case Rejection():
                    assert not expected[broker]
                    assert verdict.code is RejectionCode.POSITION_EXCEEDS_MAXIMUM

    @precondition(lambda self: self.signals)
    @rule(data=st.data())
    def an_old_signal_comes_again(self, data: st.DataObject) -> None:
        assert list(self.engine.on_signal(data.draw(st.sampled_from(self.signals)))) == []

    @precondition(lambda self: self.reports)
    @rule(data=st.data())
    def an_execution_comes_again(self, data: st.DataObject) -> None:
        self.engine.on_execution(data.draw(st.sampled_from(self.reports)))

    @precondition(lambda self: any(one.open for one in self.orders))
    @rule(data=st.data())
    def an_order_is_accepted(self, data: st.DataObject) -> None:
        self._book(self._any_open(data), OrderStatus.ACCEPTED)

    @precondition(lambda self: any(one.open > 1 for one in self.orders))
    @rule(data=st.data())
    def an_order_is_filled_in_part(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from([one for one in self.orders if one.open > 1]))
        quantity = data.draw(st.integers(min_value=1, max_value=one.open - 1))
        self._book(one, OrderStatus.PARTIALLY_FILLED, quantity)

    @precondition(lambda self: any(one.open for one in self.orders))
    @rule(data=st.data())
    def an_order_is_filled(self, data: st.DataObject) -> None:
        one = self._any_open(data)
        self._book(one, OrderStatus.FILLED, one.open)

    @precondition(lambda self: any(one.open for one in self.orders))
    @rule(
        data=st.data(),
        status=st.sampled_from([OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED]),
    )
    def an_order_ends_unfilled(self, data: st.DataObject, status: OrderStatus) -> None:
        self._book(self._any_open(data), status)

    @rule()
    def a_checkpoint_is_taken(self) -> None:
        """Positions are the sum of fills; working is approved less filled less ended."""
        changes = self.engine.changes()
        self.ledgers |= {(one.strategy_id, one.instrument_token): one for one in changes.ledgers}
        for ended in changes.ended:
            self.working_orders.pop(ended, None)
        self.working_orders |= {one.client_order_id: one for one in changes.working}
        self.decided |= {one.number: one for one in changes.decided.written}
        self.booked |= {one.number: one for one in changes.booked.written}
        for record in self.ledgers.values():
            for broker in BROKERS:
                assert record.positions.get(broker.upper(), 0) == self.held(broker.upper())
        assert {key: one.remaining for key, one in self.working_orders.items()} == {
            one.order.client_order_id: one.order.side.sign * one.open
            for one in self.orders
            if one.open
        }

    @rule()
    def the_worker_is_restarted(self) -> None:
        self.a_checkpoint_is_taken()
        self.engine = self._engine()
        self.engine.restore(
            self.ledgers.values(),
            self.working_orders.values(),
            self.decided.values(),
            self.booked.values(),
        )
        assert self.engine.changes() == RiskChanges(ledgers=(), working=(), ended=())

    def teardown(self) -> None:
        self.a_checkpoint_is_taken()

    @invariant()
    def no_position_passes_the_limit_whatever_is_filled(self) -> None:
        for broker in BROKERS:
            held = self.held(broker.upper())
            assert held + self.working(broker.upper(), 1) <= LIMIT
            assert held - self.working(broker.upper(), -1) >= -LIMIT

    def _any_open(self, data: st.DataObject) -> NaiveOrder:
        return data.draw(st.sampled_from([one for one in self.orders if one.open]))

    def _book(self, one: NaiveOrder, status: OrderStatus, filled: int = 0) -> None:
        one.events += 1
        one.filled += filled
        one.ended = status.is_terminal
        event = report(one.order, status, sequence=one.events, filled=filled)
        event = event._replace(cumulative_quantity=one.filled)
        self.reports.append(event)
        self.engine.on_execution(event)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
