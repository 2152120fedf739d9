"""What is found in the bytes of a model before the runtime sees them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper

from algo_panda.ml.direction import SHIPPED_MODEL
from algo_panda.ml.inspection import NotOnnxError, problem_in

SHIPPED = SHIPPED_MODEL.read_bytes()


def external_tensor() -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secrets.bin")
    return tensor


def model_of(*nodes, initializer=()) -> bytes:
    graph = helper.make_graph(list(nodes), "g", [], [], list(initializer))
    return helper.make_model(graph).SerializeToString()


def subgraph(**changes):
    return helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "sub", [], [], **changes)


def test_the_shipped_model_has_nothing_to_refuse():
    assert problem_in(SHIPPED) is None


@pytest.mark.parametrize(
    "model",
    [
        model_of(initializer=[external_tensor()]),
        model_of(helper.make_node("Constant", [], ["c"], value=external_tensor())),
        model_of(
            helper.make_node(
                "If", ["x"], ["y"], then_branch=subgraph(initializer=[external_tensor()])
            )
        ),
        model_of(
            helper.make_node(
                "Constant",
                [],
                ["c"],
                sparse_value=helper.make_sparse_tensor(
                    external_tensor(), TensorProto(data_type=TensorProto.INT64, dims=[1]), [1]
                ),
            )
        ),
    ],
    ids=["initializer", "attribute", "subgraph", "sparse"],
)
def test_weights_in_another_file_are_found_wherever_they_hide(model):
    assert problem_in(model) == "it keeps weights in another file (external data)"


@pytest.mark.parametrize(
    "model",
    [
        model_of(helper.make_node("Run", ["x"], ["y"], domain="my.ops")),
        model_of(
            helper.make_node(
                "If",
                ["x"],
                ["y"],
                else_branch=helper.make_graph(
                    [helper.make_node("Run", [], ["y"], domain="my.ops")], "sub", [], []
                ),
            )
        ),
    ],
    ids=["top", "subgraph"],
)
def test_foreign_operators_are_found_wherever_they_hide(model):
    assert problem_in(model) == "it uses operators that are not ONNX's own (domain 'my.ops')"


def test_operators_of_functions_are_looked_at_too():
    function = helper.make_function(
        "ai.onnx",
        "f",
        [],
        ["y"],
        [helper.make_node("Run", [], ["y"], domain="my.ops")],
        [helper.make_opsetid("", 17)],
    )
    model = helper.make_model(helper.make_graph([], "g", [], []), functions=[function])
    assert "my.ops" in str(problem_in(model.SerializeToString()))


@given(noise=st.binary(max_size=200))
def test_noise_is_refused_or_harmless_and_never_a_crash(noise):
    try:
        found = problem_in(noise)
    except NotOnnxError:
        return
    assert found is None or found.startswith("it ")


@given(at=st.integers(min_value=0, max_value=len(SHIPPED) - 1), byte=st.integers(0, 255))
def test_a_damaged_model_is_no_crash(at, byte):
    damaged = bytearray(SHIPPED)
    damaged[at] = byte
    try:
        found = problem_in(bytes(damaged))
    except NotOnnxError:
        return
    assert found is None or found.startswith("it ")


def test_a_model_that_breaks_off_is_not_onnx():
    with pytest.raises(NotOnnxError, match="ends too early"):
        problem_in(SHIPPED[:-10])
    assert ModelProto.FromString(SHIPPED).graph.name == "momentum"
