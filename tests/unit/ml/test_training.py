"""Training: what comes out, that it comes out again, and what it refuses."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import onnx
import pytest

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.market import MarketTick
from algo_panda.extras import MissingExtraError
from algo_panda.ingest.synthetic import SyntheticSource
from algo_panda.ml.direction import INPUT_NAME, OUTPUT_NAME, DirectionModel
from algo_panda.ml.features import FEATURE_NAMES
from algo_panda.ml.samples import collect_samples, split_by_time
from algo_panda.ml.session import open_session
from algo_panda.ml.training import (
    HELD_OUT,
    TrainedModel,
    TrainingPlan,
    UnfitTicksError,
    _fit,
    train,
)

PLAN = TrainingPlan(horizon=10, seed=3)


def ticks(count: int = 12_000) -> list[MarketTick]:
    source = SyntheticSource(
        instruments=(1, 2),
        ticks=count,
        seed=11,
        start=datetime(2024, 1, 1, tzinfo=UTC),
        ticks_per_second=100,
    )
    return [row.tick for row in source]


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train(ticks(), PLAN)


def test_the_same_ticks_and_seed_give_the_same_bytes(trained):
    assert train(ticks(), PLAN).onnx == trained.onnx


def test_another_seed_gives_another_model(trained):
    assert train(ticks(), TrainingPlan(horizon=10, seed=4)).digest != trained.digest


def test_strategies_can_load_it(trained, saved):
    model = DirectionModel(saved(trained.onnx))
    assert model.load() is True
    assert model.digest == trained.digest


def test_the_metadata_says_what_the_report_says(trained):
    said = {prop.key: prop.value for prop in onnx.load_from_string(trained.onnx).metadata_props}
    report = trained.report
    assert set(said) == set(asdict(report))
    assert json.loads(said["feature_names"]) == list(FEATURE_NAMES)
    assert said["training_start"] == report.training_start.isoformat().replace("+00:00", "Z")
    assert json.loads(said["held_out_accuracy"]) == report.held_out_accuracy
    assert json.loads(said["library_versions"])["scikit-learn"] == version("scikit-learn")
    assert (said["horizon_ticks"], said["seed"]) == ("10", "3")


def test_the_report_tells_the_parts_apart(trained):
    report = trained.report
    samples = collect_samples(ticks(), horizon=10, move=PLAN.move)
    learned, judged = split_by_time(samples, HELD_OUT)
    assert (report.training_rows, report.held_out_rows) == (len(learned), len(judged))
    assert sum(report.training_classes.values()) == report.training_rows
    assert report.training_start < report.training_end < report.held_out_start
    most = max(report.training_classes, key=lambda name: report.training_classes[name])
    share = np.mean(judged.labels == report.classes.index(most))
    assert report.baseline_accuracy == pytest.approx(share, abs=1e-4)


def test_bursts_can_be_learned(trained):
    assert trained.report.held_out_log_loss < trained.report.baseline_log_loss


def test_the_exported_model_says_what_scikit_learn_says(trained, saved):
    learned, judged = split_by_time(collect_samples(ticks(), horizon=10, move=PLAN.move), HELD_OUT)
    expected = _fit(learned, PLAN.seed).predict_proba(judged.features)
    session = open_session(saved(trained.onnx))
    given = [session.run(INPUT_NAME, row, OUTPUT_NAME) for row in judged.features]
    assert np.allclose(given, expected, atol=1e-6)


def test_too_few_ticks_are_refused():
    with pytest.raises(UnfitTicksError, match="the ticks give 480 samples, and 1000 is the least"):
        train(ticks(700), PLAN)


def test_a_price_that_only_rises_is_refused():
    rising = [MarketTick(1, i * 1000, 10**8 + i * i, 1) for i in range(3000)]
    with pytest.raises(UnfitTicksError, match="10 ticks later the price is never down"):
        train(rising, PLAN)


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0}, {"move": -1}, {"move": float("nan")}, {"seed": -1}]
)
def test_a_plan_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        TrainingPlan(**wrong)


@pytest.mark.parametrize("missing", ["onnx", "sklearn", "skl2onnx"])
def test_a_missing_library_is_named_with_what_to_install(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError) as caught:
        train([], PLAN)
    assert str(caught.value) == (
        f"training a model needs packages that are not installed ({missing}); install the extra"
        " 'train': in a checkout with 'make install', elsewhere by installing the wheel as"
        " 'algo_panda-....whl[train]'"
    )
