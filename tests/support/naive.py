"""Independent recomputations, written to be obviously right and nothing else."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction


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
