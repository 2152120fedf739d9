"""Small ONNX models, right and wrong, made on the spot."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from algo_panda.ml.direction import CLASSES, INPUT_NAME, OUTPUT_NAME
from algo_panda.ml.features import FEATURE_NAMES, FEATURES_VERSION

WIDTH = len(FEATURE_NAMES)


@pytest.fixture
def metadata() -> dict[str, str]:
    """What a fitting model says of itself."""
    return {
        "feature_names": json.dumps(FEATURE_NAMES),
        "features_version": str(FEATURES_VERSION),
        "classes": json.dumps(CLASSES),
    }


@pytest.fixture
def linear_model(metadata: dict[str, str]) -> Callable[..., onnx.ModelProto]:
    """Makes ``probabilities = features @ weights + bias``; wrong in what the caller asks for."""

    def make(
        bias: tuple[float, ...] = (0.2, 0.3, 0.5),
        *,
        says: Mapping[str, str] = metadata,
        input_name: str = INPUT_NAME,
        output_name: str = OUTPUT_NAME,
        width: int = WIDTH,
        kind: int = TensorProto.FLOAT,
    ) -> onnx.ModelProto:
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        weights = numpy_helper.from_array(np.zeros((width, len(bias)), dtype), "weights")
        offsets = numpy_helper.from_array(np.array(bias, dtype), "bias")
        graph = helper.make_graph(
            [helper.make_node("Gemm", [input_name, "weights", "bias"], [output_name])],
            "linear",
            [helper.make_tensor_value_info(input_name, kind, [None, width])],
            [helper.make_tensor_value_info(output_name, kind, [None, len(bias)])],
            [weights, offsets],
        )
        return finished(graph, says)

    return make


def finished(graph: onnx.GraphProto, says: Mapping[str, str]) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(says))
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], Path]:
    """Writes a model, or any bytes, into a file."""

    def save(model: onnx.ModelProto | bytes) -> Path:
        path = tmp_path / "model.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return path

    return save
