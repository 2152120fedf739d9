"""What a strategy is made of: one required method, and capabilities called only where present.

Each capability is a small Protocol of its own. ``algo_panda.domain.capabilities`` asks once, when a
processor is made, which of them it offers; nothing else looks.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from algo_panda.domain.inference import InferenceRequest
from algo_panda.domain.market import Bar, MarketTick
from algo_panda.domain.sharing import IndicatorPool
from algo_panda.domain.signals import SignalResult
from algo_panda.domain.trading import Violation


class StrategyProcessor(Protocol):
    """A strategy on one instrument. State kept in ``self`` never mixes instruments."""

    def process_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> SignalResult | None:
        """Say something about ``tick``, or nothing.

        Args:
            tick: the present tick.
            history: the ticks before it on this instrument, oldest first, at most
                ``history_size`` (100 where the processor does not say); read only.

        Raises:
            BaseException: anything; this tick is then lost for this strategy alone, and counted.
        """
        ...


@runtime_checkable
class LoadsModel(Protocol):
    """Has a model to load before the first tick."""

    def load_model(self) -> bool:
        """Load it. False, or an exception, disables this strategy and no other."""
        ...


@runtime_checkable
class ExplainsFailure(Protocol):
    """Can say why ``load_model`` returned False."""

    @property
    def failure_reason(self) -> str | None:
        """One sentence, or None where nothing failed."""
        ...


@runtime_checkable
class HasModelDigest(Protocol):
    """Knows which model it runs on."""

    @property
    def model_digest(self) -> str | None:
        """SHA-256 of the model file in hex; None before it is loaded."""
        ...


@runtime_checkable
class WarmsUp(Protocol):
    """Wants the recorded ticks before its first one."""

    def warmup(self, history: Sequence[MarketTick], /) -> None:
        """Take the newest ``warmup_ticks`` ticks; where there is no such number, the history.

        The history is what ``process_tick`` would be handed.
        Called once, before the first tick, unless ``restore`` has given the state back. Empty
        where the strategy is new on the instrument. An exception here is a warning, no more.
        """
        ...


@runtime_checkable
class ConsumesBars(Protocol):
    """Wants event-time bars; ``bar_seconds`` in its parameters is their interval (default 60)."""

    def on_bar(self, bar: Bar, /) -> None:
        """Take a closed bar. Called before ``process_tick`` of the tick that closed it."""
        ...


@runtime_checkable
class ShutsDown(Protocol):
    """Has something to put away."""

    def shutdown(self) -> None:
        """Called once, when the processor is no longer needed.

        That is when the worker stops, or when the partition goes to another worker.
        """
        ...


@runtime_checkable
class ExtractsFeatures(Protocol):
    """Computes a row of model inputs. For training and for the processor's own use."""

    def extract_features(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> Sequence[float] | Mapping[str, float] | None:
        """Return the inputs at ``tick``, or None while there is too little before it."""
        ...


@runtime_checkable
class PredictsSignal(Protocol):
    """Turns model inputs into a signal. Only the processor itself calls it, behind its gate.

    The built-in strategies take the tick as well; nothing but its presence is asked for.
    """

    def predict_signal(self, features: Any, /) -> SignalResult | None:  # noqa: ANN401 - as above
        """Return the signal that the model gives for ``features``."""
        ...


@runtime_checkable
class BatchesInference(Protocol):
    """Can say what it asks a model, and what it makes of the answer, at different times.

    The runner may hand it further ticks in between, and asks about all of them at once. Both
    together are ``process_tick``: which of them is called must not make a difference.
    """

    def prepare_tick(
        self, tick: MarketTick, history: Sequence[MarketTick], /
    ) -> InferenceRequest | SignalResult | None:
        """Take ``tick`` as ``process_tick`` does, up to the question to the model."""
        ...

    def conclude_tick(
        self,
        tick: MarketTick,
        request: InferenceRequest,
        answer: Any,  # noqa: ANN401 - it is between the strategy and its model
        /,
    ) -> SignalResult | None:
        """What ``process_tick`` says where the model answers so. Changes nothing in ``self``."""
        ...


@runtime_checkable
class Snapshots(Protocol):
    """Can put its whole state into bytes, and take it back."""

    def snapshot(self) -> bytes:
        """Return everything that decides what later ticks give, and change nothing.

        Called at checkpoints, whose times decide no signal. A processor that raises here, returns
        no bytes, or more than 1 MiB, goes on; after a restart it is rebuilt from ticks.
        """
        ...

    def restore(self, state: bytes, /) -> None:
        """Become what gave ``state``.

        Raises:
            ValueError: ``state`` is of another version or other parameters. The processor is
                discarded, and a new one is rebuilt from ticks.
        """
        ...


@runtime_checkable
class SharesIndicators(Protocol):
    """Keeps indicators that other strategies on the instrument can use as well."""

    def share_indicators(self, pool: IndicatorPool, /) -> None:
        """Replace each by what ``pool.shared`` gives for it.

        Called once, before the first live tick: after ``restore``, and after the ticks that a
        processor without a snapshot is rebuilt by. An exception here is a warning, no more.
        Not called for a processor with ``on_bar``: its indicators are its own.
        """
        ...


@runtime_checkable
class DeclaresHistory(Protocol):
    """Says how many past ticks it wants to see."""

    @property
    def history_size(self) -> int:
        """Ticks before the present one; 0 for none."""
        ...


@runtime_checkable
class DeclaresWarmup(Protocol):
    """Says how many past ticks a new processor needs to be as one that was always there."""

    @property
    def warmup_ticks(self) -> int | None:
        """Ticks; 0 where it keeps nothing of them, None: all since the strategy began.

        After a restart a processor without a snapshot is given that many recorded ticks through
        ``process_tick``, with the bars and the history that they had; or through ``warmup``,
        where it has that.
        """
        ...


class StrategyValidator(Protocol):
    """A pure function of signal, tick and configuration: no clock, no positions."""

    def validate_signal(
        self, signal: SignalResult, market_data: MarketTick, /
    ) -> Violation | bool | None:
        """Judge ``signal`` at ``market_data``.

        Returns:
            True or None: it is valid; a ``Violation``: the reason why it is not; False: it is not.
        """
        ...

    def validate_configuration(
        self,
        config: Any,  # noqa: ANN401 - its form is that of the factory
        /,
    ) -> Sequence[str] | bool:
        """Judge the strategy's configuration.

        Args:
            config: the row's parameters as a dictionary if the validator's factory takes these,
                else the ``StrategyConfig``.

        Returns:
            A sentence for each problem, none if it is valid; or whether it is valid.
        """
        ...
