"""Model files: what is opened, what is shared, what is refused."""

import gc
import hashlib
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from algo_panda.ml import session as sessions
from algo_panda.ml.direction import INPUT_NAME, OUTPUT_NAME, SHIPPED_MODEL
from algo_panda.ml.session import ModelError, ModelSession, open_session
from tests.unit.ml.conftest import WIDTH, finished

ROW = (0.5, -1.25, 3.0, 0.75, 61.5, 1.5, 2.0)


def test_the_digest_is_that_of_the_file():
    expected = hashlib.sha256(SHIPPED_MODEL.read_bytes()).hexdigest()
    assert open_session(SHIPPED_MODEL).digest == expected


def test_equal_files_share_one_session_while_it_is_in_use(tmp_path):
    copy = tmp_path / "copy.onnx"
    shutil.copy(SHIPPED_MODEL, copy)
    first, second = open_session(SHIPPED_MODEL), open_session(copy)
    assert first is second
    digest = first.digest
    assert digest in sessions._shared
    del first, second
    gc.collect()
    assert digest not in sessions._shared


def test_it_runs_on_one_thread():
    options = open_session(SHIPPED_MODEL)._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_a_row_gives_the_same_bits_every_time(tmp_path):
    session = open_session(SHIPPED_MODEL)
    first = session.run(INPUT_NAME, ROW, OUTPUT_NAME)
    assert all(session.run(INPUT_NAME, ROW, OUTPUT_NAME) == first for _ in range(50))
    assert abs(sum(first) - 1) < 1e-5
    assert np.float32(first[0]) == first[0]


@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * len(ROW)), min_size=1, max_size=40))
@settings(deadline=None)
def test_a_row_gives_the_same_bits_whatever_is_asked_with_it(rows):
    session = open_session(SHIPPED_MODEL)
    together = session.run_all(INPUT_NAME, rows, OUTPUT_NAME)
    assert together == [session.run(INPUT_NAME, row, OUTPUT_NAME) for row in rows]
    bound = session._bound[INPUT_NAME, OUTPUT_NAME]
    assert bound._rows == sessions._BLOCK


def test_what_a_model_says_agrees_with_the_runtime_alone():
    session = open_session(SHIPPED_MODEL)
    random = Random(5)
    for _ in range(200):
        row = tuple(random.uniform(-20, 20) for _ in ROW)
        values = np.array((row,), dtype=np.float32)
        (expected,) = session._session.run((OUTPUT_NAME,), {INPUT_NAME: values})[0].tolist()
        assert session.run(INPUT_NAME, row, OUTPUT_NAME) == pytest.approx(expected, abs=1e-6)


def test_where_rows_lean_on_each_other_each_is_run_by_itself(metadata):
    """Softmax over the rows instead of over the classes."""
    graph = helper.make_graph(
        [helper.make_node("Softmax", [INPUT_NAME], [OUTPUT_NAME], axis=0)],
        "leaning",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [None, WIDTH])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [None, WIDTH])],
    )
    session = ModelSession(finished(graph, metadata).SerializeToString(), "leaning")
    rows = [ROW, tuple(2 * number for number in ROW), (0.0,) * len(ROW)]
    assert session.run_all(INPUT_NAME, rows, OUTPUT_NAME) == [[1.0] * WIDTH] * 3
    assert session.run(INPUT_NAME, ROW, OUTPUT_NAME) == [1.0] * WIDTH


def test_a_model_for_single_rows_is_run_row_by_row(metadata):
    graph = helper.make_graph(
        [helper.make_node("Identity", [INPUT_NAME], [OUTPUT_NAME])],
        "single",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [1, WIDTH])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, [1, WIDTH])],
    )
    session = ModelSession(finished(graph, metadata).SerializeToString(), "single")
    assert session.run_all(INPUT_NAME, [ROW, ROW], OUTPUT_NAME) == [list(ROW)] * 2


def test_threads_that_share_a_session_do_not_get_each_others_answers():
    session = open_session(SHIPPED_MODEL)
    rows = [tuple(scale * number for number in ROW) for scale in (0.5, 1.0, 2.0, 4.0)]
    expected = [session.run(INPUT_NAME, row, OUTPUT_NAME) for row in rows]

    def ask(row: tuple[float, ...]) -> list[Sequence[float]]:
        return [session.run(INPUT_NAME, row, OUTPUT_NAME) for _ in range(500)]

    with ThreadPoolExecutor(len(rows)) as pool:
        answers = list(pool.map(ask, rows))
    assert answers == [[one] * 500 for one in expected]
    assert len({tuple(one) for one in expected}) == len(rows)


def test_a_row_of_another_length_is_a_model_error():
    with pytest.raises(ModelError, match="it cannot be run"):
        open_session(SHIPPED_MODEL).run(INPUT_NAME, (1.0, 2.0), OUTPUT_NAME)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.onnx does not exist"):
        open_session(tmp_path / "none.onnx")


def test_a_folder_is_not_a_model(tmp_path):
    with pytest.raises(ModelError, match="is not a file"):
        open_session(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"no model at all", SHIPPED_MODEL.read_bytes()[:500]], ids=len
)
def test_a_corrupt_file_is_refused_in_one_line(saved, content):
    with pytest.raises(ModelError) as caught:
        open_session(saved(content))
    assert "model.onnx" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_large_is_refused_unread(saved, monkeypatch):
    monkeypatch.setattr(sessions, "MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="has more than 100 bytes"):
        open_session(saved(b"x" * 101))


def test_weights_in_another_file_are_not_read(tmp_path, linear_model, monkeypatch):
    path = tmp_path / "model.onnx"
    onnx.save(
        linear_model(),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    monkeypatch.chdir(tmp_path)  # where the runtime would look for them
    assert (tmp_path / "weights.bin").is_file()
    with pytest.raises(ModelError, match="external data"):
        open_session(path)


def test_foreign_operators_are_refused(linear_model, saved):
    model = linear_model()
    model.graph.node[0].domain = "my.ops"
    with pytest.raises(ModelError, match=r"not ONNX's own \(domain 'my\.ops'\)"):
        open_session(saved(model))


def test_a_model_that_the_runtime_cannot_run_is_refused(linear_model, saved):
    model = linear_model()
    model.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ModelError, match="onnxruntime refuses it"):
        open_session(saved(model))
    assert not [one for one in sessions._shared.values() if one.metadata == {}]
