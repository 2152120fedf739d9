"""Fills made of a few numbers, and books that are kept the slow and obvious way."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from algo_panda.domain.money import to_raw
from algo_panda.domain.reports import report_of
from algo_panda.domain.timestamps import to_micros
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Side
from algo_panda.replay.trades import Fill
from tests.unit.fakes.values import ORDER, START, TOKEN, changed


def order(
    number: int, units: int, *, seconds: float = 0, token: int = TOKEN, reference: str = "100"
) -> Order:
    """Order ``number``, of strategy 1 where no other is set; ``units`` negative to sell."""
    made: Order = changed(
        ORDER,
        client_order_id=f"O{number}",
        signal_id=f"S{number}",
        instrument_token=token,
        side=Side.BUY if units > 0 else Side.SELL,
        quantity=abs(units),
        reference_price=Decimal(reference),
        event_time=START + timedelta(seconds=seconds),
    )
    return made


def filled(
    of: Order,
    price: str | Decimal,
    *,
    units: int | None = None,
    fees: str | None = None,
    seconds: float | None = None,
    status: OrderStatus = OrderStatus.FILLED,
) -> ExecutionReport:
    """A fill of ``of``, of all of it where ``units`` does not say less."""
    at = of.event_time if seconds is None else START + timedelta(seconds=seconds)
    return report_of(
        of,
        sequence=2,
        status=status,
        event_time_us=to_micros(at),
        last_quantity=of.quantity if units is None else units,
        last_price_raw=to_raw(Decimal(price)),
        fees_raw=None if fees is None else to_raw(Decimal(fees)),
    )


def as_fill(report: ExecutionReport) -> Fill:
    return Fill(report.event_time_us, report, None)


def unit_by_unit(
    reports: list[ExecutionReport],
) -> tuple[dict[tuple[str, str], tuple[int, Fraction]], int]:
    """First in, first out, one unit at a time.

    Returns:
        Units and gross profit by opening and closing order; units left open, signed.
    """
    queue: list[tuple[str, int, Decimal]] = []
    found: dict[tuple[str, str], tuple[int, Fraction]] = defaultdict(lambda: (0, Fraction(0)))
    for report in reports:
        assert report.last_price is not None
        for _ in range(report.last_quantity):
            sign = report.side.sign
            if queue and queue[0][1] != sign:
                entry, of, price = queue.pop(0)
                units, profit = found[entry, report.client_order_id]
                gained = Fraction(report.last_price - price) * of
                found[entry, report.client_order_id] = (units + 1, profit + gained)
            else:
                queue.append((report.client_order_id, sign, report.last_price))
    return dict(found), sum(sign for _, sign, _ in queue)
