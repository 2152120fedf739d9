"""Independent recomputations, written to be obviously right and nothing else."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from algo_panda.domain.trading import Order
from tests.support.system import Located


def naive_rsi_sides(
    prices: Sequence[Decimal], period: int, lower: Decimal, upper: Decimal
) -> list[tuple[int, str]]:
    """Where Cutler's RSI is beyond a threshold: index and side, all sums made anew each time."""
    found: list[tuple[int, str]] = []
    for at in range(period, len(prices)):
        window = [Fraction(p) for p in prices[at - period : at + 1]]
        changes = [after - before for before, after in itertools.pairwise(window)]
        gain = sum((c for c in changes if c > 0), Fraction(0)) / period
        loss = sum((-c for c in changes if c < 0), Fraction(0)) / period
        if loss == 0:
            rsi = Fraction(100) if gain else Fraction(50)
        else:
            rsi = 100 - 100 / (1 + gain / loss)
        if rsi < Fraction(lower):
            found.append((at, "BUY"))
        elif rsi > Fraction(upper):
            found.append((at, "SELL"))
    return found


def next_tick_fills(
    orders: Iterable[Order], ticks: Sequence[Located]
) -> dict[str, tuple[datetime, Decimal]]:
    """When and at what price paper fills each order, by its id; without those that wait on."""
    found: dict[str, tuple[datetime, Decimal]] = {}
    by_partition: dict[int, list[Located]] = {}
    for record in ticks:
        by_partition.setdefault(record.partition, []).append(record)
    for order in orders:
        behind = by_partition[order.tick_partition]
        # Offsets of these topics have no gaps.
        for at in range(order.tick_offset + 1, len(behind)):
            tick = behind[at].value
            assert behind[at].offset == at
            if (
                tick.instrument_token == order.instrument_token
                and tick.event_time >= order.event_time
                and (tick.event_time, tick.last_price) != (order.event_time, order.reference_price)
            ):
                found[order.client_order_id] = (tick.event_time, tick.last_price)
                break
    return found
