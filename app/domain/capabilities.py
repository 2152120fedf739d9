"""Which optional methods a processor offers: asked once, held as a value."""

from dataclasses import dataclass
from typing import Self

from app.domain.protocols import (
    ConsumesBars,
    DeclaresHistory,
    ExtractsFeatures,
    LoadsModel,
    PredictsSignal,
    ShutsDown,
    Snapshots,
    StrategyProcessor,
    WarmsUp,
)

DEFAULT_HISTORY_SIZE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a processor can do beside ``process_tick``."""

    load_model: bool
    warmup: bool
    on_bar: bool
    shutdown: bool
    extract_features: bool
    predict_signal: bool
    snapshot: bool
    history_size: int
    """Ticks before the present one that ``process_tick`` is handed."""

    @classmethod
    def of(cls, processor: StrategyProcessor) -> Self:
        """Ask ``processor``.

        Raises:
            ValueError: it has no ``process_tick``, or its ``history_size`` is no whole number
                from 0 on.
        """
        if not callable(getattr(processor, "process_tick", None)):
            raise ValueError(f"{type(processor).__name__} has no method process_tick")
        size = (
            processor.history_size
            if isinstance(processor, DeclaresHistory)
            else DEFAULT_HISTORY_SIZE
        )
        if type(size) is not int or size < 0:
            raise ValueError(
                f"{type(processor).__name__}.history_size is {size!r}, not a whole number from 0 on"
            )
        return cls(
            load_model=isinstance(processor, LoadsModel),
            warmup=isinstance(processor, WarmsUp),
            on_bar=isinstance(processor, ConsumesBars),
            shutdown=isinstance(processor, ShutsDown),
            extract_features=isinstance(processor, ExtractsFeatures),
            predict_signal=isinstance(processor, PredictsSignal),
            snapshot=isinstance(processor, Snapshots),
            history_size=size,
        )
