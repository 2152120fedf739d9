"""Which optional methods a processor offers: asked once, held as a value."""

from dataclasses import dataclass
from typing import Self

from algo_panda.domain.offers import offers
from algo_panda.domain.protocols import (
    BatchesInference,
    ConsumesBars,
    DeclaresHistory,
    DeclaresWarmup,
    ExtractsFeatures,
    LoadsModel,
    PredictsSignal,
    SharesIndicators,
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
    share_indicators: bool
    batch_inference: bool
    history_size: int
    """Ticks before the present one that ``process_tick`` is handed."""
    warmup_ticks: int | None = None
    """Past ticks that a new processor needs; None: it does not say."""

    @classmethod
    def of(cls, processor: StrategyProcessor) -> Self:
        """Ask ``processor``.

        Raises:
            ValueError: it has no ``process_tick``, or its ``history_size`` or ``warmup_ticks`` is
                no whole number from 0 on.
        """
        if not callable(getattr(processor, "process_tick", None)):
            raise ValueError(f"{type(processor).__name__} has no method process_tick")
        size = (
            processor.history_size if offers(processor, DeclaresHistory) else DEFAULT_HISTORY_SIZE
        )
        warmup = processor.warmup_ticks if offers(processor, DeclaresWarmup) else None
        _check_count(processor, "history_size", size)
        if warmup is not None:
            _check_count(processor, "warmup_ticks", warmup)
        return cls(
            load_model=offers(processor, LoadsModel),
            warmup=offers(processor, WarmsUp),
            on_bar=offers(processor, ConsumesBars),
            shutdown=offers(processor, ShutsDown),
            extract_features=offers(processor, ExtractsFeatures),
            predict_signal=offers(processor, PredictsSignal),
            snapshot=offers(processor, Snapshots),
            share_indicators=offers(processor, SharesIndicators),
            batch_inference=offers(processor, BatchesInference),
            history_size=size,
            warmup_ticks=warmup,
        )


def _check_count(processor: object, name: str, count: object) -> None:
    if type(count) is not int or count < 0:
        raise ValueError(
            f"{type(processor).__name__}.{name} is {count!r}, not a whole number from 0 on"
        )
