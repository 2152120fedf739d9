"""Age at which a signal, or the order it became, is not acted on any more."""

from collections.abc import Collection
from typing import Final

from algo_panda.domain.timestamps import from_micros, iso_utc

ID_MEMORY_US: Final = 24 * 3_600 * 1_000_000
"""How long ids of processed records are remembered at least, microseconds."""
VENUE_LIMIT_US: Final = 10 * 60 * 1_000_000
"""How long an order may be under way from the router to a venue on a topic, at least."""
_REPORT_US: Final = 5 * 60 * 1_000_000
"""How long the first execution report of an order may be under way from a venue to risk."""


class TimeToLive:
    """Limit on the age of signals and orders.

    Args:
        seconds: the limit, above 0.
        past_brokers: brokers that accept signals of past ticks. For these, only the time since
            the record was appended to its topic counts.
    """

    def __init__(self, *, seconds: float, past_brokers: Collection[str] = ()) -> None:
        self.seconds = seconds
        self.limit_us = round(seconds * 1_000_000)
        self._past_brokers = frozenset(past_brokers)
        self.text = "|".join([str(self.limit_us), *sorted(self._past_brokers)])
        """Both in one line, for digests."""

    def problem(self, *, broker: str, event_us: int, appended_us: int, now_us: int) -> str | None:
        """Return why a record has expired, or None.

        Args:
            broker: the broker that the order is for.
            event_us: event time of the tick that caused it, microseconds since the epoch.
            appended_us: when it was appended to its topic; 0 if unknown.
            now_us: the present time.
        """
        if now_us - event_us > self.limit_us and broker not in self._past_brokers:
            return f"the tick happened at {self._ago(event_us, now_us)}{_PAST_TICKS}"
        if appended_us and now_us - appended_us > self.limit_us:
            return f"it was written at {self._ago(appended_us, now_us)}"
        return None

    def _ago(self, then_us: int, now_us: int) -> str:
        return f"{moment(then_us, now_us)}; PANDA_SIGNAL_TTL_SECONDS is {self.seconds:g}"


def moment(then_us: int, now_us: int) -> str:
    """Return a past time as text, with its age."""
    seconds = (now_us - then_us) / 1_000_000
    return f"{iso_utc(from_micros(then_us))}, {seconds:,.0f} s ago"


def id_memory_us(time_to_live: TimeToLive | None) -> int:
    """Return how long ids are remembered: no shorter than a record may be processed."""
    return ID_MEMORY_US if time_to_live is None else max(ID_MEMORY_US, time_to_live.limit_us)


def venue_limit_us(time_to_live: TimeToLive | None) -> int:
    """Return how long an order may be under way from the router to a venue on a topic."""
    return VENUE_LIMIT_US if time_to_live is None else max(VENUE_LIMIT_US, time_to_live.limit_us)


def report_limit_us(time_to_live: TimeToLive) -> int:
    """Return after how long an approved order without an execution report has none to come.

    The router sends it within its time to live, and the venue accepts it within another limit.
    """
    return time_to_live.limit_us + venue_limit_us(time_to_live) + _REPORT_US


_PAST_TICKS: Final = (
    " (to trade on past ticks with the paper broker, set PANDA_PAPER_ACCEPTS_PAST_TICKS=true)"
)
