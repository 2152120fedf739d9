"""Indicators that strategies on one instrument have in common: each takes a tick once.

What an indicator holds may depend on the ticks of its instrument alone. Then two of a kind that
are alike stay alike for as long as both take every tick, and one of them does for both.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Context, getcontext, setcontext
from typing import TypeVar

from mypy_extensions import mypyc_attr

from algo_panda.domain.arithmetic import ContextSettings, new_context, settings_of
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.market import MarketTick


@mypyc_attr(allow_interpreted_subclasses=True)
class SharedIndicator(ABC):
    """An indicator that takes every tick of an instrument.

    A strategy calls ``update`` on every tick, whether or not others use the indicator, too.
    """

    __slots__ = ("_arithmetic", "_failure", "_is_shared", "_settings")

    def __init__(self) -> None:
        self._is_shared = False
        self._arithmetic: Context = new_context()
        self._settings: ContextSettings | None = None
        self._failure: BaseException | None = None

    @abstractmethod
    def take(self, tick: MarketTick) -> None:
        """Take the next tick of the instrument."""

    @abstractmethod
    def held(self) -> object:
        """All that it goes on from, to compare with another's of its kind.

        Equal only where both, given the same ticks from here on, say the same.
        """

    def update(self, tick: MarketTick) -> None:
        """Take ``tick``, unless the pool that the indicator is in has seen to that already.

        Raises:
            BaseException: what ``take`` raised on this tick.
        """
        if not self._is_shared:
            self.take(tick)
        elif self._failure is not None:
            raise self._failure

    def be_shared(self) -> None:
        """Take ticks through ``advance`` from now on, in a decimal context like the current one."""
        self._is_shared = True
        self._settings = settings_of(getcontext())
        self._arithmetic = self._settings.context()

    @property
    def settings(self) -> ContextSettings | None:
        """Those that the decimal context of ``advance`` began with; None: it is not shared."""
        return self._settings

    def advance(self, tick: MarketTick) -> None:
        """Take ``tick`` for all; what that raises, ``update`` raises for each of them."""
        self._failure = None
        setcontext(self._arithmetic)
        try:
            self.take(tick)
        except BaseException as error:  # a strategy's own code may raise anything
            if is_interrupt(error):
                raise
            self._failure = error


I = TypeVar("I", bound=SharedIndicator)  # noqa: E741 - an indicator


class IndicatorPool:
    """The indicators of one instrument."""

    __slots__ = ("_indicators",)

    def __init__(self) -> None:
        self._indicators: list[SharedIndicator] = []

    def shared(self, own: I) -> I:
        """The one to use instead of ``own``: one that is like it, or ``own`` itself.

        From then on the pool gives it the ticks. Those of strategies whose decimal contexts have
        other settings are not alike.
        """
        held, settings = own.held(), settings_of(getcontext())
        for known in self._indicators:
            if type(known) is type(own) and known.settings is settings and known.held() == held:
                return known
        own.be_shared()
        self._indicators.append(own)
        return own

    def __iter__(self) -> Iterator[SharedIndicator]:
        return iter(self._indicators)
