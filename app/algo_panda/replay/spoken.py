"""What strategies said at some ticks, one behind another."""

from collections.abc import Sequence
from typing import Final, cast

from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection

Outcome = TradingSignal | Rejection

_SIGNAL: Final = TradingSignal


class Spoken:
    """In the order of the ticks."""

    __slots__ = ("has_refusals", "outcomes", "places")

    def __init__(
        self, outcomes: Sequence[Outcome], places: Sequence[int], *, has_refusals: bool
    ) -> None:
        self.outcomes = outcomes
        self.places = places
        """At which of the ticks each outcome was said."""
        self.has_refusals = has_refusals
        """Whether some are no signals."""

    @property
    def signals(self) -> Sequence[TradingSignal]:
        """Those that are signals."""
        if self.has_refusals:
            return signals_among(self.outcomes)
        return cast("Sequence[TradingSignal]", self.outcomes)

    def said(self, ticks: int) -> Sequence[Sequence[Outcome]]:
        """What was said at each of so many ticks; mostly nothing."""
        found: list[Sequence[Outcome]] = [()] * ticks
        for place, outcome in zip(self.places, self.outcomes, strict=True):
            found[place] = (*found[place], outcome)
        return found


def spoken_at(said: Sequence[Sequence[Outcome]]) -> Spoken:
    """What was said at each tick, without those at which nothing was."""
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
    return Spoken(outcomes, places, has_refusals=has_refusals)


def signals_among(outcomes: Sequence[Outcome]) -> Sequence[TradingSignal]:
    """Those that are signals."""
    return [outcome for outcome in outcomes if isinstance(outcome, TradingSignal)]
