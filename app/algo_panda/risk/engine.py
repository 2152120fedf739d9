"""Turns signals into approved orders or rejections; keeps positions from executions."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, cast

from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import client_order_id
from algo_panda.domain.recent_ids import IdSegment, RecentIds, SegmentChanges
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.time_to_live import id_memory_us, report_limit_us
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

logger = logging.getLogger(__name__)

_ORDER: Final = Order
_SIDES: Final = {SignalType.BUY: Side.BUY, SignalType.SELL: Side.SELL}


class RiskChanges(NamedTuple):
    """What changed between two checkpoints."""

    ledgers: tuple[LedgerRecord, ...]
    working: tuple[WorkingOrder, ...]
    ended: tuple[str, ...]
    """Client order ids of orders that are no longer working."""
    decided: SegmentChanges = SegmentChanges((), ())
    """Ids of signals and orders."""
    booked: SegmentChanges = SegmentChanges((), ())
    """Ids of booked executions."""


Verdict = Order | Rejection
"""The order that a signal becomes on one account, or its rejection there."""


class RiskEngine:
    """Risk of one partition: decides which signals become orders.

    State is per strategy and instrument. One partition has all of it, because the instrument is
    the key of signals and executions.
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
        memory_us = id_memory_us(limits.time_to_live)
        self._decided = RecentIds(memory_us)
        """Ids of the signals that were decided, and of all known orders."""
        self._booked = RecentIds(memory_us)
        self._unacknowledged: deque[tuple[int, str, tuple[str, int]]] = deque()
        """When the reservation of an order without a report ends, its id, and its ledger."""
        self._released: deque[tuple[int, str, tuple[str, int]]] = deque()
        """When an order without a report is forgotten, its id, and its ledger."""
        self._forget_after_us = 2 * memory_us
        """Longer than the id of an order is remembered: after that, a report makes it known."""

    def on_signal(
        self,
        signal: TradingSignal,
        now_us: int | None = None,
        appended_us: int = 0,
        decision: Decision | None = None,
    ) -> Sequence[Verdict]:
        """Return a verdict per broker of the signal; none for HOLD and for a redelivered signal.

        A broker that the signal names twice gets one verdict.

        Args:
            signal: the signal.
            now_us: the present time, microseconds since the epoch; None: its event time, as in a
                backtest.
            appended_us: when it was appended to its topic; 0 if unknown.
            decision: what is known now, for the record of every verdict; None in a backtest.
        """
        side = _SIDES.get(signal.signal_type)
        if side is None or not signal.brokers:
            return ()
        now = signal.event_time_us if now_us is None else now_us
        self._release_unacknowledged(now)
        if not self._decided.add(signal.signal_id, now):
            return ()
        ledger = self._ledger(signal.strategy_id, signal.instrument_token)
        if ledger.was_seen_by_version_1(signal.tick_topic_id, signal.tick_offset):
            return ()
        verdicts: list[Verdict] = []
        for broker in dict.fromkeys(signal.brokers):  # a signal written by hand may repeat one
            verdict = self._judge(signal, side, broker, ledger, now, appended_us, decision)
            if verdict is not None:
                verdicts.append(verdict)
        return verdicts

    def on_execution(self, report: ExecutionReport, now_us: int | None = None) -> None:
        """Book what happened to an order; do nothing if this execution was booked before.

        A report of an order that risk has no record of, because its state was lost, makes the
        order known: a signal that would become the same order is a redelivery.

        Args:
            report: the execution.
            now_us: as in ``on_signal``.
        """
        now = report.event_time_us if now_us is None else now_us
        if not self._booked.add(report.execution_id, now):
            return
        ledger = self._ledger(report.strategy_id, report.instrument_token)
        if not ledger.book(report) and self._decided.add(report.client_order_id, now):
            ledger.adopt(report)

    def changes(self) -> RiskChanges:
        """Return what changed since the last call."""
        changed, self._changed = self._changed, []
        for ledger in changed:
            ledger.is_changed = False
        changed.sort(key=lambda ledger: ledger.key)
        orders = [ledger.changed_orders() for ledger in changed]
        return RiskChanges(
            tuple([ledger.record() for ledger in changed]),
            tuple([order for some in orders for order in some.working]),
            tuple([name for some in orders for name in some.ended]),
            self._decided.changes(),
            self._booked.changes(),
        )

    def restore(
        self,
        ledgers: Iterable[LedgerRecord],
        working: Iterable[WorkingOrder],
        decided: Iterable[IdSegment] = (),
        booked: Iterable[IdSegment] = (),
    ) -> None:
        """Continue from the state of all earlier checkpoints; call before the first signal."""
        self._decided.restore(decided)
        self._booked.restore(booked)
        orders: dict[tuple[str, int], list[WorkingOrder]] = {}
        for order in sorted(working, key=_approval):
            key = (order.strategy_id, order.instrument_token)
            orders.setdefault(key, []).append(order)
            if not order.is_acknowledged:
                self._await_report(order.client_order_id, key, order.approved_us)
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

    def _judge(
        self,
        signal: TradingSignal,
        side: Side,
        broker: str,
        ledger: Ledger,
        now_us: int,
        appended_us: int,
        decision: Decision | None,
    ) -> Verdict | None:
        """Return the verdict; None if the order exists already."""
        account = self._accounts.get(broker)
        if account is None:
            account = self._accounts[broker] = self._account_for(broker)
        name = client_order_id(signal.signal_id, account)
        if name in self._decided:
            return None
        given = RiskInput(
            signal=signal,
            broker=broker,
            account=account,
            exposure=ledger.exposure(account),
            limits=self._limits,
            strategy_limit=self._strategy_limit(signal.strategy_id, signal.strategy_version),
            trading_state=self._trading_state(account),
            now_us=now_us,
            appended_us=appended_us,
        )
        for check in self._checks:
            violation = check(given)
            if violation is not None:
                return Rejection.of_signal(
                    signal,
                    Stage.RISK,
                    violation,
                    account=account,
                    broker=broker,
                    decision=decision,
                )
        order = _order(signal, side, given.quantity, broker, account, name, decision)
        self._decided.add(name, now_us)
        ledger.reserve(order, now_us)
        self._await_report(name, ledger.key, now_us)
        return order

    def _await_report(self, name: str, key: tuple[str, int], approved_us: int) -> None:
        time_to_live = self._limits.time_to_live
        if time_to_live is not None:
            until_us = approved_us + report_limit_us(time_to_live)
            self._unacknowledged.append((until_us, name, key))

    def _release_unacknowledged(self, now_us: int) -> None:
        """Release the reservations of orders that will not be reported.

        The router sends no order that is older than its time to live, and no venue accepts one
        that was long under way. An order without a report after that was dead-lettered or lost.
        If it is sent again, its first report makes it count again.
        """
        while self._unacknowledged and self._unacknowledged[0][0] < now_us:
            until_us, name, key = self._unacknowledged.popleft()
            known = self._ledgers.get(key)
            units = 0 if known is None else known.release(name)
            if units:
                self._released.append((until_us + self._forget_after_us, name, key))
                logger.warning(
                    "order %s of strategy %s on instrument %d has no execution report and has"
                    " expired: its reservation of %d units is released; look for it in orders.dlq"
                    " and paper-orders.dlq",
                    name,
                    key[0],
                    key[1],
                    units,
                )
        while self._released and self._released[0][0] < now_us:
            _, name, key = self._released.popleft()
            known = self._ledgers.get(key)
            if known is not None and known.forget(name):
                self._ledger(key[0], key[1])  # the next checkpoint deletes it


def _approval(order: WorkingOrder) -> tuple[int, str]:
    return order.approved_us, order.client_order_id


def _order(
    signal: TradingSignal,
    side: Side,
    quantity: int,
    broker: str,
    account: str,
    name: str,
    decision: Decision | None,
) -> Order:
    (
        strategy_id, strategy_type, _, _, token, _, topic_id, partition, offset, signal_id, _,
        _, _, price_raw, _, time_us, tick_price_raw,
    ) = cast("tuple[Any, ...]", signal)  # fmt: skip
    fields: tuple[object, ...] = (
        name,
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
        decision,
    )
    return new_order(_ORDER, fields)
