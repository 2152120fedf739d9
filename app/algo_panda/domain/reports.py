"""What happened to an order, as the report of it."""

from typing import Any, Final, cast

from algo_panda.domain.decisions import Decision
from algo_panda.domain.ids import execution_id
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, new_report

_REPORT: Final = ExecutionReport


def report_of(
    order: Order,
    *,
    sequence: int,
    status: OrderStatus,
    event_time_us: int,
    venue_order_id: str | None = None,
    last_quantity: int = 0,
    last_price_raw: int | None = None,
    cumulative_quantity: int = 0,
    fees_raw: int | None = None,
    reason: str | None = None,
    decision: Decision | None = None,
) -> ExecutionReport:
    """The ``sequence``-th event (from 1) of ``order``; without a quantity, it is no fill."""
    (
        name, signal_id, account, broker, strategy_id, strategy_type, token, side, quantity,
        _, _, _, _, _, _, _,
    ) = cast("tuple[Any, ...]", order)  # fmt: skip
    fields: tuple[object, ...] = (
        execution_id(name, sequence),
        name,
        venue_order_id,
        signal_id,
        account,
        broker,
        strategy_id,
        strategy_type,
        token,
        side,
        status,
        quantity,
        last_quantity,
        last_price_raw,
        cumulative_quantity,
        fees_raw,
        reason,
        event_time_us,
        decision,
    )
    return new_report(_REPORT, fields)


def with_decision(report: ExecutionReport, decision: Decision) -> ExecutionReport:
    """Return ``report`` with what the worker that writes it knows."""
    return new_report(_REPORT, (*report[:-1], decision))
