"""Signals in; approved orders and refusals out; positions kept from executions."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from app.domain.ids import client_order_id
from app.domain.signals import SignalType, TradingSignal
from app.domain.trading import (
    ExecutionReport,
    Order,
    Rejection,
    Side,
    Stage,
    TradingState,
)
from app.risk.checks import CHECKS, RiskCheck, RiskInput, RiskLimits
from app.risk.ledger import Ledger, LedgerRecord, WorkingOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """The signal becomes this order."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The signal does not become an order on one account."""

    rejection: Rejection


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskChanges:
    """What changed between two checkpoints."""

    ledgers: tuple[LedgerRecord, ...]
    working: tuple[WorkingOrder, ...]
    ended: tuple[str, ...]
    """Client order ids of orders that are working no more."""


Verdict = Approved | Rejected

SIDES = {SignalType.BUY: Side.BUY, SignalType.SELL: Side.SELL}


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
        checks: Sequence[RiskCheck] = CHECKS,
    ) -> None:
        self._limits = limits
        self._account_for = account_for
        self._trading_state = trading_state
        self._checks = checks
        self._ledgers: dict[tuple[str, int], Ledger] = {}
        self._changed: set[tuple[str, int]] = set()

    def on_signal(self, signal: TradingSignal) -> Sequence[Verdict]:
        """A verdict per broker of the signal; none for HOLD and for a redelivered signal."""
        ledger = self._ledger(signal.strategy_id, signal.instrument_token)
        if ledger.is_redelivery(signal.tick_topic_id, signal.tick_offset):
            return ()
        ledger.saw(signal.tick_topic_id, signal.tick_offset)
        side = SIDES.get(signal.signal_type)
        if side is None:
            return ()
        return [self._judge(signal, side, broker, ledger) for broker in signal.brokers]

    def on_execution(self, report: ExecutionReport) -> None:
        """Book what happened to an order."""
        self._ledger(report.strategy_id, report.instrument_token).book(report)

    def changes(self) -> RiskChanges:
        """What changed since the last call."""
        changed, self._changed = self._changed, set()
        ledgers = [self._ledgers[key] for key in sorted(changed)]
        orders = [ledger.changed_orders() for ledger in ledgers]
        return RiskChanges(
            ledgers=tuple(ledger.record() for ledger in ledgers),
            working=tuple(order for some in orders for order in some.working),
            ended=tuple(name for some in orders for name in some.ended),
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
        self._changed.add(key)
        ledger = self._ledgers.get(key)
        if ledger is None:
            ledger = self._ledgers[key] = Ledger(strategy_id, token)
        return ledger

    def _judge(self, signal: TradingSignal, side: Side, broker: str, ledger: Ledger) -> Verdict:
        account = self._account_for(broker)
        given = RiskInput(
            signal=signal,
            account=account,
            exposure=ledger.exposure(account),
            limits=self._limits,
            trading_state=self._trading_state(account),
        )
        for check in self._checks:
            violation = check(given)
            if violation is not None:
                return Rejected(
                    rejection=Rejection.of_signal(
                        signal, Stage.RISK, violation, account=account, broker=broker
                    )
                )
        order = _order(signal, side, broker, account)
        ledger.reserve(order)
        return Approved(order=order)


def _order(signal: TradingSignal, side: Side, broker: str, account: str) -> Order:
    return Order(
        client_order_id=client_order_id(signal.signal_id, account),
        signal_id=signal.signal_id,
        account=account,
        broker=broker,
        strategy_id=signal.strategy_id,
        strategy_type=signal.strategy_type,
        instrument_token=signal.instrument_token,
        side=side,
        quantity=signal.quantity,
        signal_price=signal.price,
        reference_price=signal.tick_price,
        event_time=signal.event_time,
        tick_topic_id=signal.tick_topic_id,
        tick_partition=signal.tick_partition,
        tick_offset=signal.tick_offset,
    )
