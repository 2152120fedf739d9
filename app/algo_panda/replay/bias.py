"""Whether what a strategy says hangs on ticks that it cannot know, or on where ticks began.

The same strategies are run on all ticks, then on ticks cut short at the end, then on ticks that
begin later. What was said before a cut may not change with what came behind it: that is
look-ahead (or chance, or something kept from one run to the next). What is said behind a late
beginning may differ until a strategy is warm; by how long, it is told here.
(freqtrade's ``lookahead-analysis`` and ``recursive-analysis`` ask the same of its strategies.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.replay.mapped import MappedTicks
from algo_panda.replay.selection import SelectedTicks, Selection
from algo_panda.replay.ticks import Integers, RecordedTicks, TickColumns, Unusable
from algo_panda.replay.trading import Event
from algo_panda.replay.windows import moments

CUTS = (Fraction(1, 4), Fraction(1, 2), Fraction(3, 4))
"""Shares of the ticks at which they are cut."""

RUNS = 1 + 2 * len(CUTS)

_TOKEN = MarketTick._fields.index("instrument_token")


class Heard:
    """A ``ReplayListener`` that keeps signals, and which ticks there were."""

    def __init__(self) -> None:
        self.said: dict[str, TradingSignal] = {}
        """By signal id."""
        self._pieces: dict[int, list[tuple[Integers, Integers]]] = {}

    def ticks(self, columns: TickColumns, /) -> None:
        """Keep offsets and instruments."""
        piece = (columns.offsets, columns.fields[_TOKEN])
        self._pieces.setdefault(columns.partition, []).append(piece)

    def signals(self, signals: Sequence[TradingSignal], /) -> None:
        """Keep them."""
        self.said.update((signal.signal_id, signal) for signal in signals)

    def had(self, signal: TradingSignal) -> bool:
        """Whether the tick that caused ``signal`` was among the ticks."""
        offsets, _ = self._ticks_of(signal.tick_partition)
        at = int(np.searchsorted(offsets, signal.tick_offset))
        return at < len(offsets) and int(offsets[at]) == signal.tick_offset

    def seen(self, signal: TradingSignal) -> int:
        """How many ticks of its instrument there were, the one that caused it included."""
        offsets, tokens = self._ticks_of(signal.tick_partition)
        end = int(np.searchsorted(offsets, signal.tick_offset, side="right"))
        return int(np.count_nonzero(tokens[:end] == signal.instrument_token))

    def _ticks_of(self, partition: int) -> tuple[Integers, Integers]:
        pieces = self._pieces.get(partition, [])
        if len(pieces) != 1:
            nothing = np.zeros(0, np.int64)
            offsets = np.concatenate([nothing, *(piece[0] for piece in pieces)])
            tokens = np.concatenate([nothing, *(piece[1] for piece in pieces)])
            self._pieces[partition] = pieces = [(offsets, tokens)]
        return pieces[0]

    def unusable_record(self, record: Unusable, /) -> None:
        """Of no interest."""

    def events(self, events: Sequence[Event], /) -> None:
        """Of no interest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A signal that is not the same in two runs."""

    whole: TradingSignal | None
    """In the run on all ticks; None: there is none."""
    cut: TradingSignal | None
    """In the run on some."""

    @property
    def signal(self) -> TradingSignal:
        """Either of them: they are of the same strategy and tick."""
        signal = self.whole or self.cut
        assert signal is not None  # noqa: S101 - or nothing would have changed
        return signal


@dataclass(slots=True)
class StrategyBias:
    """What was found of one strategy."""

    strategy_type: str
    signals: int = 0
    """On all ticks."""
    looks_ahead: int = 0
    """Signals that changed when later ticks were taken away, in all cuts together."""
    first_look_ahead: Changed | None = None
    depends_on_start: int = 0
    """Signals that changed when ticks began later."""
    warm_after_ticks: int = 0
    """So many ticks of an instrument behind a beginning, the last one changed; 0: none did."""


@dataclass(slots=True)
class BiasReport:
    """What was found."""

    is_complete: bool = True
    strategies: dict[str, StrategyBias] = field(default_factory=dict[str, StrategyBias])
    """By id."""

    @property
    def looks_ahead(self) -> bool:
        """Whether any strategy does."""
        return any(found.looks_ahead for found in self.strategies.values())


Run = Callable[[RecordedTicks], Heard | None]
"""Runs the strategies anew; None where it was stopped."""


def check_bias(
    ticks: MappedTicks,
    run: Run,
    strategies: Mapping[str, str],
    *,
    on_progress: Callable[[int], None] = lambda _runs: None,
) -> BiasReport:
    """Run on all ticks, and on parts of them, and compare.

    Args:
        ticks: all of them.
        run: makes a run.
        strategies: type by id.
        on_progress: told how many of ``RUNS`` runs were made.
    """
    report = BiasReport(strategies={name: StrategyBias(kind) for name, kind in strategies.items()})
    whole = run(ticks)
    if whole is None or not ticks.count:
        report.is_complete = whole is not None
        return report
    on_progress(1)
    for signal in whole.said.values():
        report.strategies[signal.strategy_id].signals += 1
    for number, (part, note) in enumerate(_cuts(ticks), start=2):
        cut = run(part)
        if cut is None:
            report.is_complete = False
            return report
        for one in _changes(whole, cut):
            note(report.strategies[one.signal.strategy_id], one, cut)
        on_progress(number)
    return report


_Note = Callable[[StrategyBias, Changed, Heard], None]


def _cuts(ticks: MappedTicks) -> Iterator[tuple[RecordedTicks, _Note]]:
    moment = moments(ticks)
    for share in CUTS:
        at = {number: _offset_at(ticks, number, moment(share)) for number in ticks.partitions}
        early = Selection(offsets={number: (0, offset) for number, offset in at.items()})
        late = Selection(offsets={number: (offset, None) for number, offset in at.items()})
        yield SelectedTicks(ticks, early), _note_look_ahead
        yield SelectedTicks(ticks, late), _note_start


def _offset_at(ticks: MappedTicks, partition: int, moment_us: int) -> int:
    """The first offset of a partition that counts as arrived at that moment, or later.

    As where partitions are merged, a tick counts as arrived with those in front of it: what is
    cut off is an end, and nothing in the middle.
    """
    rows = ticks.files[partition].rows()
    if not len(rows):
        return 0
    arrived = np.maximum.accumulate(rows[:, 1 + ticks.time_field])
    at = int(np.searchsorted(arrived, moment_us))
    return int(rows[at, 0]) if at < len(rows) else int(rows[-1, 0]) + 1


def _note_look_ahead(bias: StrategyBias, one: Changed, _cut: Heard) -> None:
    bias.looks_ahead += 1
    first = bias.first_look_ahead
    if first is None or one.signal.tick_offset < first.signal.tick_offset:
        bias.first_look_ahead = one


def _note_start(bias: StrategyBias, one: Changed, cut: Heard) -> None:
    bias.depends_on_start += 1
    bias.warm_after_ticks = max(bias.warm_after_ticks, cut.seen(one.signal))


def _changes(whole: Heard, cut: Heard) -> Iterator[Changed]:
    """The signals of the ticks of ``cut`` that are not the same in both."""
    for name, signal in whole.said.items():
        other = cut.said.get(name)
        if other != signal and cut.had(signal):
            yield Changed(whole=signal, cut=other)
    for name, signal in cut.said.items():
        if name not in whole.said:
            yield Changed(whole=None, cut=signal)
