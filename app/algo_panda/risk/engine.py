"""Signals in; approved orders and refusals out; positions kept from executions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from algo_panda.domain.ids import client_order_id
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.trading import (
    ExecutionReport,
    Order,
    Rejection,
    Side,
    Stage,
    TradingState,
    new_order,
)
from algo_panda.risk.checks import CHECKS, RiskCheck, RiskInput, RiskLimits, StrategyLimit
from algo_panda.risk.ledger import Ledger, LedgerRecord, WorkingOrder

_ORDER: Final = Order
_SIDES: Final = {SignalType.BUY: Side.BUY, SignalType.SELL: Side.SELL}


class RiskChanges(NamedTuple):
    """What changed between two checkpoints."""

    ledgers: tuple[LedgerRecord, ...]
    working: tuple[WorkingOrder, ...]
    ended: tuple[str, ...]
    """Client order ids of orders that are working no more."""


Verdict = Order | Rejection
"""The signal becomes this order, or is refused as an order on one account."""


class RiskEngine:
    """Decides, for one partition, which signals become orders.

    State is per (strategy, instrument), which one partition holds whole, since signals and
    executions have the instrument as their key.
    """

    def __init__(
        self,
        *,
        limits: RiskLimits,
        account_for: Callable[[str], str],
        trading_state: Callable[[str], TradingState],
        strategy_limit: Callable[[str, int], StrategyLimit],
        checks: Sequence[RiskCheck] = CHECKS,
    ) -> None:
        """Start without positions.

        Args:
            limits: of every strategy.
            account_for: the account of a broker.
            trading_state: of an account, asked for every order.
            strategy_limit: ``max_position_size`` of a strategy id and version; always the same.
            checks: in the order in which they run.
        """
        self._limits = limits
        self._account_for = account_for
        self._accounts: dict[str, str] = {}
        self._trading_state = trading_state
        self._strategy_limit = strategy_limit
        self._checks = checks
        self._ledgers: dict[tuple[str, int], Ledger] = {}
        self._changed: list[Ledger] = []

    def on_signal(self, signal: TradingSignal) -> Sequence[Verdict]:
        """A verdict per broker of the signal; none for HOLD and for a redelivered signal."""
        ledger = self._ledger(signal.strategy_id, signal.instrument_token)
        topic_id, offset = signal.tick_topic_id, signal.tick_offset
        if ledger.is_redelivery(topic_id, offset):
            return ()
        ledger.saw(topic_id, offset)
        side = _SIDES.get(signal.signal_type)
        if side is None:
            return ()
        return [self._judge(signal, side, broker, ledger) for broker in signal.brokers]

    def on_execution(self, report: ExecutionReport) -> None:
        """Book what happened to an order."""
        self._ledger(report.strategy_id, report.instrument_token).book(report)

    def changes(self) -> RiskChanges:
        """What changed since the last call."""
        changed, self._changed = self._changed, []
        for ledger in changed:
            ledger.is_changed = False
        changed.sort(key=lambda ledger: ledger.key)
        orders = [ledger.changed_orders() for ledger in changed]
        return RiskChanges(
            tuple([ledger.record() for ledger in changed]),
            tuple([order for some in orders for order in some.working]),
            tuple([name for some in orders for name in some.ended]),
        )

    def restore(self, ledgers: Iterable[LedgerRecord], working: Iterable[WorkingOrder]) -> None:
        """Go on from there; call before the first signal."""
        orders: dict[tuple[str, int], list[WorkingOrder]] = {}
        for order in working:
            orders.setdefault((order.strategy_id, order.instrument_token), []).append(order)
        for record in ledgers:
            key = (record.strategy_id, record.instrument_token)
            self._ledgers[key] = Ledger.of(record, orders.get(key, ()))

    def _ledger(self, strategy_id: str, token: int) -> Ledger:
        key = (strategy_id, token)
        ledger = self._ledgers.get(key)
        if ledger is None:
            ledger = self._ledgers[key] = Ledger(strategy_id, token)
        if not ledger.is_changed:
            ledger.is_changed = True
            self._changed.append(ledger)
        return ledger

    def _judge(self, signal: TradingSignal, side: Side, broker: str, ledger: Ledger) -> Verdict:
        account = self._accounts.get(broker)
        if account is None:
            account = self._accounts[broker] = self._account_for(broker)
        given = RiskInput(
            signal=signal,
            account=account,
            exposure=ledger.exposure(account),
            limits=self._limits,
            strategy_limit=self._strategy_limit(signal.strategy_id, signal.strategy_version),
            trading_state=self._trading_state(account),
        )
        for check in self._checks:
            violation = check(given)
            if violation is not None:
                return Rejection.of_signal(
                    signal, Stage.RISK, violation, account=account, broker=broker
                )
        order = _order(signal, side, given.quantity, broker, account)
        ledger.reserve(order)
        return order


def _order(signal: TradingSignal, side: Side, quantity: int, broker: str, account: str) -> Order:
    (
        strategy_id, strategy_type, _, _, token, _, topic_id, partition, offset, signal_id, _,
        _, _, price_raw, _, time_us, tick_price_raw,
    ) = cast("tuple[Any, ...]", signal)  # fmt: skip
    fields: tuple[object, ...] = (
        client_order_id(signal_id, account),
        signal_id,
        account,
        broker,
        strategy_id,
        strategy_type,
        token,
        side,
        quantity,
        price_raw,
        tick_price_raw,
        time_us,
        topic_id,
        partition,
        offset,
    )
    return new_order(_ORDER, fields)
