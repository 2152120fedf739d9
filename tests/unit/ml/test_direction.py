"""Loading a direction model, and asking it."""

import json
import logging

import pytest
from onnx import TensorProto

from algo_panda.ml.direction import SHIPPED_MODEL, Direction, DirectionModel
from algo_panda.ml.features import FEATURE_NAMES
from algo_panda.ml.session import ModelError

ROW = (0.5, -1.25, 3.0, 0.75, 61.5, 1.5, 2.0)


def test_the_shipped_model_loads_and_says_its_digest():
    model = DirectionModel(SHIPPED_MODEL)
    assert model.digest is None
    assert model.load() is True
    assert model.failure_reason is None
    assert len(model.digest or "") == 64


def test_a_missing_file_gives_false_with_the_reason_kept_and_logged(tmp_path, caplog):
    model = DirectionModel(tmp_path / "gone.onnx")
    with caplog.at_level(logging.ERROR):
        assert model.load() is False
    assert model.failure_reason == f"model not loaded: {tmp_path}/gone.onnx does not exist"
    assert caplog.messages == [model.failure_reason]
    assert model.digest is None


def test_a_corrupt_file_gives_false_with_a_reason(saved):
    model = DirectionModel(saved(b"no model"))
    assert model.load() is False
    assert "is no ONNX model" in str(model.failure_reason)


def test_a_load_that_fails_takes_the_model_before_it_away(saved, linear_model):
    path = saved(linear_model())
    model = DirectionModel(path)
    assert model.load() is True
    path.write_bytes(b"")
    assert model.load() is False
    assert model.digest is None
    path.write_bytes(linear_model().SerializeToString())
    assert model.load() is True
    assert model.failure_reason is None


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("feature_names", None, "does not say which features it takes"),
        ("feature_names", json.dumps(["rsi_14"]), 'takes the features ["rsi_14"], not ["move_1"'),
        (
            "feature_names",
            json.dumps(FEATURE_NAMES[::-1]),
            'takes the features ["volume_20_100"',
        ),
        ("features_version", "2", "is for features 2, not 1"),
        ("features_version", None, "is for features None, not 1"),
        ("classes", json.dumps(["up", "flat", "down"]), "has the classes"),
    ],
)
def test_metadata_of_another_model_is_refused(saved, linear_model, metadata, key, value, reason):
    says = {k: v for k, v in {**metadata, key: value}.items() if v is not None}
    model = DirectionModel(saved(linear_model(says=says)))
    assert model.load() is False
    assert reason in str(model.failure_reason)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"input_name": "x"}, "has the inputs x, not features"),
        ({"width": 3}, "takes tensor(float) of shape [None, 3], not tensor(float) of [1, 7]"),
        ({"kind": TensorProto.DOUBLE}, "takes tensor(double)"),
        ({"output_name": "scores"}, "has no output probabilities"),
        ({"bias": (0.5, 0.5)}, "gives 2 probabilities, not 3"),
    ],
)
def test_inputs_and_outputs_of_another_model_are_refused(saved, linear_model, changes, reason):
    model = DirectionModel(saved(linear_model(**changes)))
    assert model.load() is False
    assert reason in str(model.failure_reason)


@pytest.mark.parametrize(
    ("probabilities", "direction", "probability"),
    [
        ((0.2, 0.3, 0.5), Direction.UP, 0.5),
        ((0.61234, 0.3, 0.08766), Direction.DOWN, 0.6123),
        ((0.2, 0.6, 0.2), Direction.FLAT, 0.6),
        ((0.4, 0.2, 0.4), Direction.FLAT, 0.2),
        ((0.2, 0.4, 0.4), Direction.FLAT, 0.4),
    ],
)
def test_the_most_probable_direction_is_the_outlook(
    saved, linear_model, probabilities, direction, probability
):
    model = DirectionModel(saved(linear_model(probabilities)))
    model.load()
    outlook = model.outlook(ROW)
    assert outlook is not None
    assert (outlook.direction, outlook.probability) == (direction, probability)
    assert str(outlook) == f"model expects {direction} with {probability:.4f}"


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_features_that_are_not_finite_have_no_outlook(odd):
    model = DirectionModel(SHIPPED_MODEL)
    model.load()
    assert model.outlook((odd, *ROW[1:])) is None


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_probabilities_that_are_not_finite_are_no_outlook(saved, linear_model, odd):
    model = DirectionModel(saved(linear_model((0.1, 0.1, odd))))
    assert model.load() is True
    assert model.outlook(ROW) is None


def test_asking_before_loading_is_an_error():
    with pytest.raises(ModelError, match="is not loaded"):
        DirectionModel(SHIPPED_MODEL).outlook(ROW)
