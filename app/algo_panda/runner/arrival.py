"""Ticks that repeat the one before, and ticks that are older than one that came before them."""

from dataclasses import dataclass
from enum import StrEnum

from algo_panda.domain.market import Irregularity, MarketTick


class TickPolicy(StrEnum):
    """What becomes of a tick."""

    PROCESS = "process"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalPolicy:
    """What becomes of irregular ticks. A dropped one reaches no strategy, bar or history."""

    duplicates: TickPolicy = TickPolicy.PROCESS
    out_of_order: TickPolicy = TickPolicy.PROCESS

    def drops(self, kind: Irregularity) -> bool:
        """Whether ticks of this kind are dropped."""
        match kind:
            case Irregularity.DUPLICATE:
                return self.duplicates is TickPolicy.DROP
            case Irregularity.OUT_OF_ORDER:
                return self.out_of_order is TickPolicy.DROP


def irregularities(
    tick: MarketTick, before: MarketTick | None, newest_us: int
) -> tuple[Irregularity, ...]:
    """What is odd about ``tick``; nothing is where its event time is after ``newest_us``.

    Args:
        tick: the present tick.
        before: the one before it on the instrument, dropped or not; None where it is the first.
        newest_us: the newest event time of all ticks before it, microseconds since the epoch.
    """
    found: list[Irregularity] = []
    # All but the time it was received, which is the broker's and new for every record.
    if before is not None and tick[:5] == before[:5]:
        found.append(Irregularity.DUPLICATE)
    if tick.event_time_us < newest_us:
        found.append(Irregularity.OUT_OF_ORDER)
    return tuple(found)
