"""Periods cut in two: ticks that parameters are chosen on, and later ones that judge the choice.

Windows roll: each has a part to choose on and, right behind it, one to judge by; the next window
begins later by the length of the latter. So the parts that judge follow one another without a gap
and without overlap, from the end of the first part that is chosen on to the end of the period.
One window is a plain split. (R. Pardo, The Evaluation and Optimization of Trading Strategies,
2nd ed., 2008, chapter 11: walk-forward analysis with a rolling window.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from algo_panda.domain.errors import ConfigurationError
from algo_panda.replay.mapped import MappedTicks
from algo_panda.replay.ticks import RECEIVED

_OF_ARRIVALS = (
    ": what was recorded is cut by when it was published; the file that it was published from is"
    " cut by the ticks' own times"
)


class WindowError(ConfigurationError):
    """The ticks cannot be cut so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From one moment to before another, microseconds since the epoch."""

    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Two spans, one behind the other."""

    number: int
    """From 1, in order of time."""
    in_sample: Span
    out_of_sample: Span


def rolling_windows(ticks: MappedTicks, *, count: int, in_sample: Fraction) -> tuple[Window, ...]:
    """``count`` windows over all of ``ticks``.

    They are cut at moments, so that parts of the same kind have about as many ticks: parts of
    equal length would have none at night.

    With a share f of each window to choose on and n windows, a window takes the share
    1 / (f + n (1 - f)) of the ticks.

    Args:
        ticks: what is cut.
        count: of windows, at least 1.
        in_sample: which share of a window is to choose on, between 0 and 1, both excluded.

    Raises:
        WindowError: a part would have no ticks, or two windows would begin together.
    """
    window = 1 / (in_sample + count * (1 - in_sample))
    first, step = in_sample * window, (1 - in_sample) * window
    moment = moments(ticks)
    found = [
        Window(
            number=number + 1,
            in_sample=Span(from_us=moment(number * step), to_us=moment(number * step + first)),
            out_of_sample=Span(
                from_us=moment(number * step + first), to_us=moment((number + 1) * step + first)
            ),
        )
        for number in range(count)
    ]
    spans = [span for one in found for span in (one.in_sample, one.out_of_sample)]
    begins = [one.in_sample.from_us for one in found]
    if any(span.from_us >= span.to_us for span in spans) or len(set(begins)) < count:
        raise WindowError(
            f"{ticks.count:,} ticks are too few to cut into {count} windows, or too many of them "
            f"came at the same moment{_OF_ARRIVALS if ticks.time_field == RECEIVED else ''}"
        )
    return tuple(found)


def moments(ticks: MappedTicks) -> Callable[[Fraction], int]:
    """The moment before which a share of ``ticks`` came, the earliest there is."""
    first_us, last_us = ticks.first_us, ticks.last_us
    if first_us is None or last_us is None:
        raise WindowError(f"{ticks.name} has no ticks to choose on")

    def moment(share: Fraction) -> int:
        wanted = -(-share * ticks.count // 1)  # rounded up
        low, high = first_us, last_us + 1
        while low < high:
            middle = (low + high) // 2
            if ticks.before(middle) >= wanted:
                high = middle
            else:
                low = middle + 1
        return low

    return moment
