"""What was said, as it goes from one process to another: few large things, not many small ones."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple, cast

import numpy as np

from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection
from algo_panda.replay.hearing import Heard
from algo_panda.replay.spoken import Outcome, Spoken
from algo_panda.replay.ticks import Integers, TickColumns
from algo_panda.runner.provenance import new_signal


class Packed(NamedTuple):
    """What a ``Heard`` has beside ticks."""

    places: Integers
    """At which of the ticks each outcome was said. Shape (outcomes,)."""
    fields: Sequence[Sequence[object]]
    """Of its signals: all values of the first field, then of the second; what repeats, as most of
    it does, is written once."""
    refusals: Sequence[tuple[int, Rejection]]
    """Outcomes that are none, with their numbers among all."""
    values: bytes
    """Of its records, joined."""
    lengths: Integers
    """Of each. Shape (signals,)."""


Share = tuple[Integers, Packed]
"""Which of the ticks of a partition somebody was handed, and what was said at these."""


def packed(heard: Heard) -> Packed:
    """What ``together`` makes a ``Heard`` of again."""
    spoken, values = heard.spoken, heard.values
    return Packed(
        places=np.array(spoken.places, np.int64),
        fields=list(zip(*spoken.signals, strict=True)),
        refusals=[
            (number, outcome)
            for number, outcome in enumerate(spoken.outcomes if spoken.has_refusals else ())
            if isinstance(outcome, Rejection)
        ],
        values=b"".join(values),
        lengths=np.fromiter(map(len, values), np.int64, len(values)),
    )


def together(columns: TickColumns, shares: Sequence[Share]) -> Heard:
    """What was said at the ticks in ``columns``, of which each is in one share or in none."""
    places = np.concatenate([np.zeros(0, np.int64), *(rows[one.places] for rows, one in shares)])
    arrived = np.argsort(places, kind="stable")
    order: list[int] = arrived.tolist()
    outcomes = list(chain.from_iterable(_outcomes(one) for _, one in shares))
    values = list(chain.from_iterable(_values(one) for _, one in shares))
    outcomes = [outcomes[at] for at in order]
    values = [values[at] for at in order]
    has_refusals = any(one.refusals for _, one in shares)
    return Heard(
        columns,
        Spoken(outcomes, places[arrived].tolist(), has_refusals=has_refusals),
        [value for value in values if value] if has_refusals else values,
    )


def _outcomes(one: Packed) -> Iterator[Outcome]:
    signals = map(new_signal, repeat(TradingSignal), zip(*one.fields, strict=True))
    if not one.refusals:
        return cast("Iterator[Outcome]", signals)
    refused = dict(one.refusals)
    return (refused.get(at) or next(signals) for at in range(len(one.places)))


def _values(one: Packed) -> Iterator[bytes]:
    """A value for each outcome; nothing stands for a refusal: no record is that short."""
    ends: list[int] = np.cumsum(one.lengths).tolist()
    values = (one.values[start:end] for start, end in zip([0, *ends], ends, strict=False))
    if not one.refusals:
        return values
    refused = dict(one.refusals)
    return (b"" if at in refused else next(values) for at in range(len(one.places)))
