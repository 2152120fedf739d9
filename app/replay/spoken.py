"""What strategies said at some ticks, one behind another."""

from collections.abc import Sequence
from typing import Final, cast

from app.domain.signals import TradingSignal
from app.domain.trading import Rejection

Outcome = TradingSignal | Rejection

_SIGNAL: Final = TradingSignal


class Spoken:
    """In the order of the ticks.

    Args:
        said: what was said at each tick; mostly nothing.
    """

    __slots__ = ("has_refusals", "outcomes", "places")

    def __init__(self, said: Sequence[Sequence[Outcome]]) -> None:
        outcomes: list[Outcome] = []
        places: list[int] = []
        has_refusals = False
        for place, at_tick in enumerate(said):
            if at_tick:
                for outcome in at_tick:
                    outcomes.append(outcome)
                    places.append(place)
                    if type(outcome) is not _SIGNAL:
                        has_refusals = True
        self.outcomes: Sequence[Outcome] = outcomes
        self.places: Sequence[int] = places
        """At which of the ticks each outcome was said."""
        self.has_refusals = has_refusals
        """Whether some are no signals."""

    @property
    def signals(self) -> Sequence[TradingSignal]:
        """Those that are signals."""
        if self.has_refusals:
            return signals_among(self.outcomes)
        return cast("Sequence[TradingSignal]", self.outcomes)


def signals_among(outcomes: Sequence[Outcome]) -> Sequence[TradingSignal]:
    """Those that are signals."""
    return [outcome for outcome in outcomes if isinstance(outcome, TradingSignal)]
