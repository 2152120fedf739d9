"""A model that says where the price goes over the next ticks: loaded, checked, asked."""

import json
import logging
from collections.abc import Sequence
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

from mypy_extensions import mypyc_attr

from algo_panda.domain.inference import InferenceRequest
from algo_panda.ml.features import FEATURE_NAMES, FEATURES_VERSION
from algo_panda.ml.session import ModelError, ModelSession, open_session

logger = logging.getLogger(__name__)

SHIPPED_MODEL = Path(__file__).parent / "models" / "momentum.onnx"
"""The model that comes with the package; ``docs/models.md`` says how it was made."""

INPUT_NAME = "features"
OUTPUT_NAME = "probabilities"

_PROBABILITY_PLACES = 4


class Direction(StrEnum):
    """Where the price goes over the model's horizon."""

    DOWN = "down"
    FLAT = "flat"
    UP = "up"


CLASSES = (Direction.DOWN, Direction.FLAT, Direction.UP)
"""What the probabilities of a model stand for, in their order."""


class Outlook(NamedTuple):
    """The most probable direction; ``FLAT`` where up and down are equally probable."""

    direction: Direction
    probability: float
    """0 to 1, rounded to four places, so that text and decision are the same everywhere."""

    def __str__(self) -> str:
        return f"model expects {self.direction} with {self.probability:.4f}"


@mypyc_attr(native_class=False)  # of others there are no weak references
class _Answers:
    """What a session says, for all who ask it: several strategies ask of the same tick."""

    __slots__ = ("__weakref__", "_last", "problem", "session")

    def __init__(self, session: ModelSession) -> None:
        """See whether ``session`` is a direction model.

        Raises:
            ModelError: it cannot be run.
        """
        self.session = session
        self.problem = _misfit(session)
        """Why it is none, or None."""
        self._last: tuple[Sequence[float], Outlook | None] = ((), None)

    def outlook(self, features: Sequence[float]) -> Outlook | None:
        last, outlook = self._last
        if features is not last or type(features) is not tuple:  # others may have changed since
            outlook = self._ask(features)
            self._last = features, outlook
        return outlook

    def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[Outlook | None]:
        """What ``outlook`` gives for each row."""
        finite = [row for row in rows if isfinite(sum(row))]
        if not finite:
            return [None] * len(rows)
        found = map(_read, self.session.run_all(INPUT_NAME, finite, OUTPUT_NAME))
        if len(finite) == len(rows):
            return list(found)
        return [next(found) if isfinite(sum(row)) else None for row in rows]

    def _ask(self, features: Sequence[float]) -> Outlook | None:
        if not isfinite(sum(features)):
            return None
        return _read(self.session.run(INPUT_NAME, features, OUTPUT_NAME))


def _read(probabilities: Sequence[float]) -> Outlook | None:
    """What the probabilities of a row mean."""
    down, flat, up = probabilities
    if not isfinite(sum(probabilities)):
        return None
    if up > max(down, flat):
        return _outlook(Direction.UP, up)
    if down > max(up, flat):
        return _outlook(Direction.DOWN, down)
    return _outlook(Direction.FLAT, flat)


_answers: WeakValueDictionary[str, _Answers] = WeakValueDictionary()


def _answers_of(session: ModelSession) -> _Answers:
    answers = _answers.get(session.digest)
    if answers is None:
        answers = _answers[session.digest] = _Answers(session)
    return answers


@mypyc_attr(allow_interpreted_subclasses=True)
class DirectionModel:
    """The model in one file. Loading it is a call of its own and may fail without raising."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers: _Answers | None = None
        self.failure_reason: str | None = None
        """Why the last ``load`` gave False."""

    @property
    def digest(self) -> str | None:
        """SHA-256 of the model file in hex; None before it is loaded."""
        return None if self._answers is None else self._answers.session.digest

    def load(self) -> bool:
        """Load the model; False, with the reason kept and logged, where it cannot be used."""
        self._answers = self.failure_reason = None
        try:
            answers = _answers_of(open_session(self._path))
        except ModelError as error:
            self.failure_reason = f"model not loaded: {error}"
        else:
            if answers.problem is None:
                self._answers = answers
                return True
            self.failure_reason = f"model not loaded: {self._path} {answers.problem}"
        logger.error("%s", self.failure_reason)
        return False

    def outlook(self, features: Sequence[float]) -> Outlook | None:
        """What the model expects after ``features``; None where a number is not finite.

        Raises:
            ModelError: it is not loaded, or fails.
        """
        return self._loaded().outlook(features)

    def request(self, features: Sequence[float], about: object = None) -> InferenceRequest:
        """The question what the model expects after ``features``; answered by ``outlook``'s value.

        Raises:
            ModelError: it is not loaded.
        """
        return InferenceRequest(self._loaded(), features, about)

    def _loaded(self) -> _Answers:
        if self._answers is None:
            raise ModelError(f"the model {self._path} is not loaded")
        return self._answers


def _outlook(direction: Direction, probability: float) -> Outlook:
    return Outlook(direction=direction, probability=round(probability, _PROBABILITY_PLACES))


def _misfit(session: ModelSession) -> str | None:
    """Why ``session`` is not a direction model on our features, or None.

    Raises:
        ModelError: it cannot be run.
    """
    said = session.metadata
    names = said.get("feature_names")
    if names is None:
        return "does not say which features it takes (metadata feature_names)"
    if names != json.dumps(FEATURE_NAMES):
        return f"takes the features {names}, not {json.dumps(FEATURE_NAMES)}"
    if said.get("features_version") != str(FEATURES_VERSION):
        return f"is for features {said.get('features_version')}, not {FEATURES_VERSION}"
    if said.get("classes") != json.dumps(CLASSES):
        return f"has the classes {said.get('classes')}, not {json.dumps(CLASSES)}"
    if list(session.inputs) != [INPUT_NAME]:
        return f"has the inputs {', '.join(session.inputs)}, not {INPUT_NAME}"
    kind, shape = session.inputs[INPUT_NAME]
    if kind != "tensor(float)" or list(shape[1:]) != [len(FEATURE_NAMES)]:
        return f"takes {kind} of shape {list(shape)}, not tensor(float) of [1, 7]"
    if OUTPUT_NAME not in session.outputs:
        return f"has no output {OUTPUT_NAME}"
    given = session.run(INPUT_NAME, (0.0,) * len(FEATURE_NAMES), OUTPUT_NAME)
    if len(given) != len(CLASSES):
        return f"gives {len(given)} probabilities, not {len(CLASSES)}"
    return None
