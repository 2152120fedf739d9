"""ONNX models through onnxruntime: read with care, shared by digest."""

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from weakref import WeakValueDictionary

import numpy as np

from algo_panda.domain.errors import ConfigurationError
from algo_panda.ml.inspection import NotOnnxError, problem_in

_BLOCK = 8
"""Rows that are run together; a single one takes half as long again as it would alone."""
_TRIED_ROWS = 64
_SEED = 1

MAX_MODEL_BYTES = 16 * 1024 * 1024
"""A larger file is refused: a row of seven numbers needs no such model."""


class ModelError(ConfigurationError):
    """A model file cannot be used; the message names it and says why."""


class ModelSession:
    """A loaded model, ready to run. Make one with ``open_session``; threads may share it.

    The runtime may compute in another order for a batch than for a row, so rows are run in blocks
    of one size, a single row, too. A row's result must not depend on the rows beside it: whether
    that is so is tried out, and where it is not, each row is run by itself. Input and output lie
    where the runtime looks for them, which halves the time of a run.
    """

    def __init__(self, model: bytes, digest: str) -> None:
        """Hand ``model`` to the runtime.

        Raises:
            ModelError: the runtime cannot run it.
        """
        runtime = cast("Any", import_module("onnxruntime"))  # it has no types
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what fails, raises
        try:
            self._session: Any = runtime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise ModelError(f"onnxruntime refuses it: {_first_line(error)}") from error
        self._bound: dict[tuple[str, str], _Bound] = {}
        self._turn = threading.Lock()
        self.digest = digest
        """SHA-256 of the model file, in hex."""
        metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.metadata: Mapping[str, str] = MappingProxyType(dict(metadata))
        """What the model says of itself: the ONNX ``metadata_props``."""

    @property
    def inputs(self) -> Mapping[str, tuple[str, Sequence[int | str | None]]]:
        """Name of each input to its type (such as ``tensor(float)``) and its shape."""
        return {one.name: (one.type, one.shape) for one in self._session.get_inputs()}

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(one.name for one in self._session.get_outputs())

    def run(self, input_name: str, row: Sequence[float], output_name: str) -> Sequence[float]:
        """One row of 32-bit floats in, the one row of ``output_name`` out.

        Raises:
            ModelError: the model does not take such a row, or does not give one back.
        """
        return self.run_all(input_name, (row,), output_name)[0]

    def run_all(
        self, input_name: str, rows: Sequence[Sequence[float]], output_name: str
    ) -> Sequence[Sequence[float]]:
        """What ``run`` gives for each of ``rows``, to the bit.

        Raises:
            ModelError: the model does not take such rows, or does not give any back.
        """
        try:
            with self._turn:
                bound = self._bound.get((input_name, output_name))
                if bound is None or bound.width != len(rows[0]):
                    bound = self._bind(input_name, rows[0], output_name)
                return bound.run(rows)
        except Exception as error:
            raise ModelError(f"it cannot be run: {_first_line(error)}") from error

    def _bind(self, input_name: str, row: Sequence[float], output_name: str) -> "_Bound":
        single = _Bound(self._session, input_name, output_name, rows=1, width=len(row))
        single.run((row,))
        bound = self._block(input_name, output_name, len(row)) or single
        self._bound[input_name, output_name] = bound
        return bound

    def _block(self, input_name: str, output_name: str, width: int) -> "_Bound | None":
        """A block that rows can be run in; None where their results are not their own."""
        try:
            block = _Bound(self._session, input_name, output_name, rows=_BLOCK, width=width)
        except Exception:  # noqa: BLE001 - the runtime's own; a model may take single rows only
            return None
        numbers = np.random.default_rng(_SEED).normal(0, 10, (_TRIED_ROWS, width))
        rows: list[list[float]] = numbers.tolist()
        together = block.run(rows)
        alone = [block.run((row,))[0] for row in rows]
        elsewhere = block.run(rows[1:])
        return block if together == alone and together[1:] == elsewhere else None


class _Bound:
    """Where a model reads rows, and where it writes what it says of them."""

    def __init__(
        self,
        session: Any,  # noqa: ANN401 - the runtime has no types
        input_name: str,
        output_name: str,
        *,
        rows: int,
        width: int,
    ) -> None:
        self.width = width
        self._rows = rows
        self._session = session
        self._in = np.zeros((rows, width), np.float32)
        first = session.run((output_name,), {input_name: self._in})[0]
        if len(first) != rows:
            raise ModelError(f"{rows} rows in, {len(first)} out")
        self._out = np.ascontiguousarray(first)
        self._binding = session.io_binding()
        self._binding.bind_input(
            input_name, "cpu", 0, np.float32, self._in.shape, self._in.ctypes.data
        )
        self._binding.bind_output(
            output_name, "cpu", 0, self._out.dtype, self._out.shape, self._out.ctypes.data
        )

    def run(self, rows: Sequence[Sequence[float]]) -> list[list[float]]:
        results: list[list[float]] = []
        for start in range(0, len(rows), self._rows):
            chunk = rows[start : start + self._rows]
            self._in[: len(chunk)] = chunk
            self._session.run_with_iobinding(self._binding)
            results += self._out[: len(chunk)].tolist()
        return results


_shared: WeakValueDictionary[str, ModelSession] = WeakValueDictionary()
_sharing = threading.Lock()

_Version = tuple[Path, int, int, int]

_LOOK_AGAIN_SECONDS = 0.1
"""A worker that comes back asks tens of thousands of times; and to ask the system takes turns with
every other thread."""

_looked_at: dict[Path, tuple[float, _Version]] = {}
_digests: dict[_Version, str] = {}
"""What was read of which version of which file: thousands of processors ask for the same."""


def open_session(path: Path) -> ModelSession:
    """The model in the file ``path``; one session per content in this process, while in use.

    Raises:
        ModelError: there is no such file, it is too large, no ONNX model, one that refers to
            other files or to foreign operators, or one that onnxruntime cannot run.
    """
    version = _version(path)
    session = _shared.get(_digests.get(version, ""))
    if session is not None:
        return session
    with _sharing:
        model = _read(path)
        digest = _digests[version] = hashlib.sha256(model).hexdigest()
        session = _shared.get(digest)
        if session is None:
            try:
                problem = problem_in(model)
            except NotOnnxError as error:
                raise ModelError(f"{path} is no ONNX model: {error}") from error
            if problem is not None:
                raise ModelError(f"{path} is refused: {problem}")
            try:
                session = ModelSession(model, digest)
            except ModelError as error:
                raise ModelError(f"{path} cannot be loaded: {error}") from error
            _shared[digest] = session
        return session


def _version(path: Path) -> _Version:
    """What is another one soon after the file at ``path`` is."""
    now = time.monotonic()
    looked_at, version = _looked_at.get(path, (0.0, None))
    if version is None or now - looked_at >= _LOOK_AGAIN_SECONDS:
        try:
            found = path.stat()
        except OSError:
            return path, 0, 0, 0  # to read it will say what is wrong
        version = path, found.st_ino, found.st_mtime_ns, found.st_size
        _looked_at[path] = now, version
    return version


def _read(path: Path) -> bytes:
    if not path.exists():
        raise ModelError(f"{path} does not exist")
    if not path.is_file():
        raise ModelError(f"{path} is not a file")
    try:
        with path.open("rb") as file:
            model = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if len(model) > MAX_MODEL_BYTES:
        raise ModelError(f"{path} has more than {MAX_MODEL_BYTES} bytes")
    return model


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
