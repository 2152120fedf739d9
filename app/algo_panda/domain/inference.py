"""What a strategy asks a model, put so that many ticks can be asked about at once."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class InferenceModel(Protocol):
    """Answers rows of features."""

    def infer(self, rows: Sequence[Sequence[float]], /) -> Sequence[Any]:
        """An answer for each row: the same to the bit, whichever rows are asked together.

        Raises:
            Exception: it cannot answer one of them.
        """
        ...


class InferenceRequest(NamedTuple):
    """One row for a model."""

    model: InferenceModel
    row: Sequence[float]
    about: Any = None
    """What the strategy wants to know again when the answer comes."""
