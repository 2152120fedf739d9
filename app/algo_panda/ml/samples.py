"""Rows to learn from: the features at a tick, and where the price went after it."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from algo_panda.domain.market import MarketTick
from algo_panda.ml.direction import CLASSES, Direction
from algo_panda.ml.features import FEATURE_NAMES, MomentumFeatures

_DOWN, _FLAT, _UP = (CLASSES.index(one) for one in (Direction.DOWN, Direction.FLAT, Direction.UP))


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """``n`` samples of any number of instruments, in the order of their label ticks."""

    features: NDArray[np.float32]
    """Shape (n, 7), columns as ``FEATURE_NAMES``."""
    labels: NDArray[np.int64]
    """Shape (n,), indices into ``CLASSES``."""
    times: NDArray[np.int64]
    """Shape (n,), event time of the tick, microseconds since the epoch."""
    known: NDArray[np.int64]
    """Shape (n,), when the label was known: the event time of the tick that it looks at."""

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: NDArray[np.bool_]) -> "Samples":
        """The samples at which ``chosen`` is true."""
        return Samples(
            features=self.features[chosen],
            labels=self.labels[chosen],
            times=self.times[chosen],
            known=self.known[chosen],
        )


def split_by_time(samples: Samples, held_out: float) -> tuple[Samples, Samples]:
    """Samples to learn from, and the latest ``held_out`` (a fraction) of all to be judged by.

    No sample to learn from has a label that looks at or past the first moment held out: those in
    the gap, as long as the horizon, are in neither part.
    """
    cut = np.sort(samples.times)[int(len(samples) * (1 - held_out))]
    earlier = (samples.times < cut) & (samples.known < cut)
    return samples.where(earlier), samples.where(samples.times >= cut)


def collect_samples(ticks: Iterable[MarketTick], *, horizon: int, move: float) -> Samples:
    """Go through ``ticks`` as a strategy would, and look up what came ``horizon`` ticks later.

    The label is ``UP`` or ``DOWN`` where the price changed by more than ``move`` times what an
    aimless walk would change it: the mean absolute change over the features' window, times the
    square root of the horizon. Else it is ``FLAT``.

    Args:
        ticks: of any number of instruments, each in the order of time.
        horizon: ticks of the same instrument to look ahead.
        move: 0 or more.
    """
    tracks: dict[int, _Track] = {}
    samples: list[_Sample] = []
    for tick in ticks:
        track = tracks.get(tick.instrument_token)
        if track is None:
            track = tracks[tick.instrument_token] = _Track()
        if len(track.waiting) == horizon:
            start = track.waiting.popleft()
            if start is not None:
                samples.append(start.labelled(tick, move * sqrt(horizon)))
        track.waiting.append(track.take(tick))
    return Samples(
        features=np.array([one.features for one in samples], dtype=np.float32).reshape(
            -1, len(FEATURE_NAMES)
        ),
        labels=np.array([one.label for one in samples], dtype=np.int64),
        times=np.array([one.time_us for one in samples], dtype=np.int64),
        known=np.array([one.known_us for one in samples], dtype=np.int64),
    )


class _Sample(NamedTuple):
    features: tuple[float, ...]
    label: int
    time_us: int
    known_us: int


class _Start(NamedTuple):
    """A tick whose label is not known yet."""

    tick: MarketTick
    features: tuple[float, ...]
    mean_move: float

    def labelled(self, end: MarketTick, least: float) -> _Sample:
        change = end.price_raw - self.tick.price_raw
        threshold = least * self.mean_move
        label = _UP if change > threshold else _DOWN if change < -threshold else _FLAT
        return _Sample(self.features, label, self.tick.event_time_us, end.event_time_us)


@dataclass(slots=True)
class _Track:
    """One instrument on the way through the ticks."""

    features: MomentumFeatures = field(default_factory=MomentumFeatures)
    waiting: deque[_Start | None] = field(default_factory=deque["_Start | None"])
    """The last ``horizon`` ticks; None where there were no features yet."""

    def take(self, tick: MarketTick) -> _Start | None:
        self.features.update(tick)
        row = self.features.row()
        return None if row is None else _Start(tick, row, self.features.mean_move)
