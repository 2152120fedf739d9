"""Made-up ticks: a random walk per instrument, with bursts, the same for the same seed."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.money import to_raw
from algo_panda.domain.timestamps import to_micros
from algo_panda.ingest.source import LocatedTick, Origin, Row

PRICE_STEP = to_raw("0.05")
"""Smallest change of a price, as on the NSE."""

_BURST_CHANCE = 1 / 400
_BURST_TICKS = (40, 120)
_WIDTH = 1 / 8_000
"""Half the width of a calm step, as a share of the first price."""
_BURST_WIDTH = 3.0
"""By how much a step is wider in a burst."""
_BURST_DRIFT = 0.75
"""How far a burst goes in its direction with each tick, in calm half widths."""
_PULL = 0.0005
"""Share of the distance to the first price that is made good with each tick."""


class SyntheticSource:
    """``ticks`` ticks in all, each of one of ``instruments``, event times always advancing.

    A price goes up and down by whole price steps and is drawn back to where it began. Now and
    then comes a burst, with larger steps and a direction: RSI then says overbought or oversold,
    and there is momentum to learn. The path of an instrument depends on the seed and its token,
    not on its neighbours. Randomness is taken from ``Random.random`` alone, whose sequence
    Python promises to keep from version to version.

    Args:
        instruments: their tokens, positive.
        ticks: how many.
        seed: another one gives other ticks.
        start: the event time that the first tick follows, aware.
        ticks_per_second: of event time, all instruments together, on average; up to 100,000.

    Raises:
        ConfigurationError: an argument is out of range.
    """

    def __init__(
        self,
        *,
        instruments: Sequence[int],
        ticks: int,
        seed: int,
        start: datetime,
        ticks_per_second: float,
    ) -> None:
        if not instruments or min(instruments) <= 0:
            raise ConfigurationError("synthetic ticks need instruments, with positive tokens")
        if ticks < 1:
            raise ConfigurationError("the number of synthetic ticks must be positive")
        if not 0 < ticks_per_second <= 100_000:
            raise ConfigurationError("synthetic ticks come at more than 0, up to 100,000 a second")
        self.name = "synthetic"
        self._instruments = tuple(instruments)
        self._ticks = ticks
        self._seed = seed
        self._start_us = to_micros(start)
        self._gap_us = 1_000_000 / ticks_per_second
        self._given = 0

    @property
    def fraction_read(self) -> float:
        """By ticks, 0 to 1."""
        return self._given / self._ticks

    def __iter__(self) -> Iterator[Row]:
        """Begin anew, with the same ticks."""
        random = Random(f"{self._seed}|order").random  # noqa: S311 - made-up data, no secret
        origin = Origin(file=self.name, unit="tick")
        walks = [_Walk(token, self._seed) for token in self._instruments]
        time_us = self._start_us
        for number in range(1, self._ticks + 1):
            time_us += max(1, int(self._gap_us * (0.5 + random())))
            walk = walks[int(random() * len(walks))]
            self._given = number
            yield LocatedTick(walk.tick(time_us), number, origin)


class _Walk:
    """The path of one instrument."""

    def __init__(self, token: int, seed: int) -> None:
        self._token = token
        self._random = Random(f"{seed}|{token}").random  # noqa: S311
        self._first = self._steps = 4_000 + int(self._random() * 36_000)
        self._volume = 0
        self._burst_left = 0
        self._direction = 0

    def tick(self, time_us: int) -> MarketTick:
        """One step on."""
        random = self._random
        if self._burst_left:
            self._burst_left -= 1
        elif random() < _BURST_CHANCE:
            fewest, most = _BURST_TICKS
            self._burst_left = fewest + int(random() * (most - fewest))
            self._direction = 1 if random() < 0.5 else -1
        self._steps = max(1, self._steps + self._change())
        quantity = 1 + int(random() ** 3 * (1_000 if self._burst_left else 200))
        self._volume += quantity
        return MarketTick(self._token, time_us, self._steps * PRICE_STEP, quantity, self._volume)

    def _change(self) -> int:
        """By how many price steps the price moves."""
        unit = self._first * _WIDTH
        noise = (self._random() + self._random() - 1) * 2 * unit
        change = noise + (self._first - self._steps) * _PULL
        if self._burst_left:
            change += noise * (_BURST_WIDTH - 1) + self._direction * _BURST_DRIFT * unit
        return round(change)
