"""Makes a direction model out of ticks. Needs the extra ``train``; serving does not."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from typing import Any, cast

import numpy as np

from algo_panda.domain.errors import BadInputError, ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.timestamps import from_micros, iso_utc
from algo_panda.extras import require
from algo_panda.ml.direction import CLASSES, INPUT_NAME, OUTPUT_NAME
from algo_panda.ml.features import FEATURE_NAMES, FEATURES_VERSION
from algo_panda.ml.samples import Samples, collect_samples, split_by_time
from algo_panda.ml.session import ModelSession

_LIBRARIES = ("numpy", "onnx", "scikit-learn", "skl2onnx")
_OPSET = 17
"""Of ONNX's operators: old enough for every onnxruntime that we allow."""

HELD_OUT = 0.2
"""Share of the samples, the latest, that the model is judged by."""

MIN_SAMPLES = 1_000

_TREES = 16
_DEPTH = 4
_SMALLEST_LEAF = 0.002
"""As a share of the samples: leaves with fewer would be learned by heart."""


class UnfitTicksError(BadInputError):
    """There is nothing to learn from these ticks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What is to be learned.

    Raises:
        ConfigurationError: a value is out of range.
    """

    horizon: int = 20
    """Ticks to look ahead."""
    move: float = 0.5
    """Smallest change that counts, in those of an aimless walk; see ``collect_samples``."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.horizon < 1:
            raise ConfigurationError(f"the horizon is {self.horizon} ticks, below 1")
        if not 0 <= self.move < 1_000:
            raise ConfigurationError(f"the smallest move is {self.move}, not from 0 to 1000")
        if not 0 <= self.seed < 2**32:
            raise ConfigurationError(f"the seed is {self.seed}, not from 0 to 2**32 - 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What was learned, from what, and how well; all of it is in the model's metadata too."""

    feature_names: tuple[str, ...]
    features_version: int
    classes: tuple[str, ...]
    horizon_ticks: int
    move: float
    seed: int
    training_start: datetime
    """Event time of the first sample learned from."""
    training_end: datetime
    """Event time of the last."""
    training_rows: int
    training_classes: Mapping[str, int]
    """How many of those rows are of each class."""
    held_out_start: datetime
    held_out_end: datetime
    held_out_rows: int
    held_out_accuracy: float
    """Share of the held-out rows whose class the exported model names."""
    baseline_accuracy: float
    """The same for always naming the class that was most frequent in training."""
    held_out_log_loss: float
    """Mean of ``-ln`` of the probability given to what happened; smaller is better."""
    baseline_log_loss: float
    """The same for always giving the frequencies of training."""
    library_versions: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        """The report in JSON's types, times as ISO 8601 UTC."""
        return {
            name: iso_utc(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
        }

    def as_metadata(self) -> dict[str, str]:
        """The report as ONNX ``metadata_props``: text as it stands, all else as JSON."""
        return {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in self.as_json().items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """An ONNX model, ready to be written to a file."""

    onnx: bytes
    report: TrainingReport

    @property
    def digest(self) -> str:
        """SHA-256 in hex, as strategies report it."""
        return sha256(self.onnx).hexdigest()


def train(ticks: Iterable[MarketTick], plan: TrainingPlan) -> TrainedModel:
    """Learn from the earlier ticks, judge by the later ones; the same for the same arguments.

    The model is a small random forest. Its trees only compare and add, so that a row's
    probabilities do not depend on the machine's floating-point units. What is judged is the
    exported model, run as strategies run it.

    Raises:
        MissingExtraError: a library is missing.
        UnfitTicksError: too few ticks, or the price never goes up, down or nowhere.
    """
    require("train", "training a model")
    samples = collect_samples(ticks, horizon=plan.horizon, move=plan.move)
    if len(samples) < MIN_SAMPLES:
        raise UnfitTicksError(
            f"the ticks give {len(samples)} samples, and {MIN_SAMPLES} is the least to learn from"
        )
    learned, judged = split_by_time(samples, HELD_OUT)
    counts = np.bincount(learned.labels, minlength=len(CLASSES))
    missing = [name for name, count in zip(CLASSES, counts, strict=True) if not count]
    if missing:
        raise UnfitTicksError(
            f"{plan.horizon} ticks later the price is never {' or '.join(missing)} before the "
            "held-out part; use more ticks, or another horizon or smallest move"
        )
    proto = _export(_fit(learned, plan.seed))
    report = _report(proto.SerializeToString(), learned, judged, plan)
    _library("onnx").helper.set_model_props(proto, report.as_metadata())
    return TrainedModel(onnx=proto.SerializeToString(), report=report)


def _fit(samples: Samples, seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    forest = _library("sklearn.ensemble").RandomForestClassifier(
        n_estimators=_TREES,
        max_depth=_DEPTH,
        min_samples_leaf=_SMALLEST_LEAF,
        random_state=seed,
        n_jobs=1,
    )
    return forest.fit(samples.features, samples.labels)


def _export(forest: Any) -> Any:  # noqa: ANN401 - neither has skl2onnx
    types = _library("skl2onnx.common.data_types")
    return _library("skl2onnx").convert_sklearn(
        forest,
        name="momentum",
        initial_types=[(INPUT_NAME, types.FloatTensorType([None, len(FEATURE_NAMES)]))],
        options={id(forest): {"zipmap": False}},
        target_opset=_OPSET,
    )


def _report(model: bytes, learned: Samples, judged: Samples, plan: TrainingPlan) -> TrainingReport:
    session = ModelSession(model, sha256(model).hexdigest())
    given = np.array([session.run(INPUT_NAME, row, OUTPUT_NAME) for row in judged.features])
    counts = np.bincount(learned.labels, minlength=len(CLASSES))
    prior = np.tile(counts / counts.sum(), (len(judged), 1))
    accuracy, log_loss = _scores(given, judged)
    prior_accuracy, prior_log_loss = _scores(prior, judged)
    return TrainingReport(
        feature_names=FEATURE_NAMES,
        features_version=FEATURES_VERSION,
        classes=CLASSES,
        horizon_ticks=plan.horizon,
        move=plan.move,
        seed=plan.seed,
        training_start=from_micros(int(learned.times.min())),
        training_end=from_micros(int(learned.times.max())),
        training_rows=len(learned),
        training_classes=dict(zip(CLASSES, counts.tolist(), strict=True)),
        held_out_start=from_micros(int(judged.times.min())),
        held_out_end=from_micros(int(judged.times.max())),
        held_out_rows=len(judged),
        held_out_accuracy=accuracy,
        baseline_accuracy=prior_accuracy,
        held_out_log_loss=log_loss,
        baseline_log_loss=prior_log_loss,
        library_versions={name: version(name) for name in _LIBRARIES},
    )


def _scores(probabilities: np.ndarray, judged: Samples) -> tuple[float, float]:
    """Accuracy and mean log loss, to four places."""
    right = probabilities.argmax(axis=1) == judged.labels
    happened = probabilities[np.arange(len(judged)), judged.labels]
    log_loss = -np.log(np.clip(happened, 1e-9, 1)).mean()
    return round(float(right.mean()), 4), round(float(log_loss), 4)


def _library(name: str) -> Any:  # noqa: ANN401 - these libraries have no types
    return cast("Any", import_module(name))
