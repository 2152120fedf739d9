"""The ticks of one batch for which models are still to be asked: all at once, and then in order."""

from collections.abc import Sequence
from decimal import setcontext
from typing import Protocol, cast

from algo_panda.domain.arithmetic import ContextSettings
from algo_panda.domain.containment import is_interrupt
from algo_panda.domain.inference import InferenceModel, InferenceRequest
from algo_panda.domain.market import MarketTick
from algo_panda.domain.outcome import Failed, Outcome
from algo_panda.domain.signals import TradingSignal
from algo_panda.domain.trading import Rejection


class Settles(Protocol):
    """Goes on where an outcome was put off."""

    @property
    def settings(self) -> ContextSettings:
        """Those of the decimal context that the model is asked in."""
        ...

    def settle(self, pending: "Pending", answer: object, /) -> TradingSignal | Rejection | None:
        """What is said in the end. ``answer`` is a ``Failed`` where the model could not."""
        ...


class Pending:
    """What a strategy will say about one tick."""

    __slots__ = ("offset", "outcome", "said", "seconds", "seen", "slot", "tick")

    def __init__(
        self,
        slot: Settles,
        tick: MarketTick,
        offset: int,
        *,
        seen: int,
        outcome: Outcome,
        seconds: float,
    ) -> None:
        self.slot = slot
        self.tick = tick
        self.offset = offset
        self.seen = seen
        """Ticks that the strategy had seen before."""
        self.outcome = outcome
        """A request, or what came after one of the same strategy and has to wait for its turn."""
        self.seconds = seconds
        """How long the strategy took so far."""
        self.said: TradingSignal | Rejection | None = None


Said = TradingSignal | Rejection | Pending


class InferenceBatch:
    """What is pending, in the order of ticks and strategies."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending: list[Pending] = []

    def add(self, pending: Pending) -> Pending:
        """Put it off."""
        self._pending.append(pending)
        return pending

    def settle(self, said: Sequence[Sequence[Said]]) -> list[Sequence[TradingSignal | Rejection]]:
        """What is said about each tick, once the models have answered."""
        if not self._pending:
            return cast("list[Sequence[TradingSignal | Rejection]]", said)
        answers = _answers(self._pending)
        for pending in self._pending:
            pending.said = pending.slot.settle(pending, answers.get(_question(pending)))
        self._pending = []
        return [_settled(one) for one in said]


_Question = tuple[int, int, int]


def _question(pending: Pending) -> _Question:
    """Equal for equal questions: strategies on an instrument often ask the same."""
    outcome = pending.outcome
    if type(outcome) is InferenceRequest:
        return id(outcome.model), id(pending.slot.settings), id(outcome.row)
    return 0, 0, 0


def _answers(pending: Sequence[Pending]) -> dict[_Question, object]:
    """One run of each model, in the arithmetic of those who ask."""
    requests: dict[_Question, InferenceRequest] = {}
    settings: dict[int, ContextSettings] = {}
    for one in pending:
        if type(one.outcome) is InferenceRequest:
            question = _question(one)
            requests[question] = one.outcome
            settings[question[1]] = one.slot.settings
    by_model: dict[tuple[int, int], tuple[InferenceModel, list[_Question]]] = {}
    for question, request in requests.items():
        by_model.setdefault(question[:2], (request.model, []))[1].append(question)
    answers: dict[_Question, object] = {}
    for (_, arithmetic), (model, questions) in by_model.items():
        rows = [requests[question].row for question in questions]
        given = _infer(model, rows, settings[arithmetic])
        answers.update(zip(questions, given, strict=True))
    return answers


def _infer(
    model: InferenceModel, rows: Sequence[Sequence[float]], settings: ContextSettings
) -> Sequence[object]:
    """Where the model cannot answer them all, each row for itself: one may be the reason."""
    problem: BaseException
    setcontext(settings.context())
    try:
        answers = list(model.infer(rows))  # to take them out of it may fail as well
    except BaseException as error:  # a strategy's own code may run in there
        if is_interrupt(error):
            raise
        problem = error
    else:
        if len(answers) == len(rows):
            return answers
        problem = ValueError(f"the model gave {len(answers)} answers to {len(rows)} rows")
    if len(rows) == 1:
        return (Failed(problem),)
    return [answer for row in rows for answer in _infer(model, (row,), settings)]


def _settled(said: Sequence[Said]) -> Sequence[TradingSignal | Rejection]:
    settled: list[TradingSignal | Rejection] = []
    for one in said:
        final = one.said if type(one) is Pending else one
        if final is not None:
            settled.append(final)  # type: ignore[arg-type]
    return settled
