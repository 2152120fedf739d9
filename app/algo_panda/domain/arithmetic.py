"""Decimal contexts: each strategy on an instrument has its own, and so has its validator.

``decimal.getcontext()`` belongs to a thread or task. A strategy that sets its precision there
would change the prices of all others, so the own context of a strategy is set before its code
runs. It is made of constants, never of what is current.
"""

from collections.abc import Generator
from contextlib import contextmanager
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from typing import Any, NamedTuple


class ContextSettings(NamedTuple):
    """What decides the results of a context; its flags do not."""

    precision: int
    rounding: str
    smallest_exponent: int
    largest_exponent: int
    capitals: int
    clamp: int
    traps: tuple[Any, ...]

    def context(self) -> Context:
        """Return a new context with these settings."""
        return Context(
            prec=self.precision,
            rounding=self.rounding,
            Emin=self.smallest_exponent,
            Emax=self.largest_exponent,
            capitals=self.capitals,
            clamp=self.clamp,
            flags=[],
            traps=list(self.traps),
        )


_PYTHONS = ContextSettings(
    28, ROUND_HALF_EVEN, -999_999, 999_999, 1, 0, (InvalidOperation, DivisionByZero, Overflow)
)
"""Python's own. Written out, because ``decimal.DefaultContext`` can be changed, too."""

_known: dict[ContextSettings, ContextSettings] = {}


def new_context() -> Context:
    """Return a context with Python's own settings, whatever is current."""
    return _PYTHONS.context()


def settings_of(context: Context) -> ContextSettings:
    """Return the settings of ``context``: for equal settings, the same object."""
    found = ContextSettings(
        context.prec,
        context.rounding,
        context.Emin,
        context.Emax,
        context.capitals,
        context.clamp,
        tuple(trap for trap, is_set in context.traps.items() if is_set),
    )
    return _known.setdefault(found, found)


@contextmanager
def computing_in(context: Context) -> Generator[None]:
    """Make ``context`` the current one until the end of the block."""
    before = getcontext()
    setcontext(context)
    try:
        yield
    finally:
        setcontext(before)


def left_current(own: Context) -> Context:
    """Return ``own``, or a copy of the context that the code before has put in its place."""
    current = getcontext()
    return own if current is own else current.copy()
