"""``max_position_size`` of every strategy version, for risk. Why so: ADR 15."""

import json
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.config_json import config_of
from algo_panda.domain.trading import Activation
from algo_panda.risk.checks import StrategyLimit, UnknownLimit

_LOOK_SECONDS: Final = 1.0
_NO_RECORD: Final = UnknownLimit("the topic activations has no record of it")


class StrategyLimits:
    """Limits by strategy id and version, read from ``activations`` as they are needed.

    A version is activated before it emits its first signal. A broker that has just restarted may
    name an end of the topic that lies before the activation, so a version without a record is
    looked for again, once a second.
    """

    def __init__(
        self,
        read_new: Callable[[], Iterable[Activation]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the activations there are.

        Args:
            read_new: returns the activations that were added since its last call.
            clock: monotonic.
        """
        self._read_new = read_new
        self._clock = clock
        self._looked_at: dict[tuple[str, int], float] = {}
        """When a version without a record was looked for."""
        self._limits: dict[tuple[str, int], StrategyLimit] = {}
        self._read()

    @classmethod
    def of_configs(cls, configs: Iterable[StrategyConfig]) -> Self:
        """Return the limits of these versions alone."""
        made = cls(lambda: ())
        for config in configs:
            made._limits[config.strategy_id, config.version] = config.max_position_size
        return made

    def of(self, strategy_id: str, version: int) -> StrategyLimit:
        """Return the limit of a version: units, or None if it has none, or why it is unknown."""
        key = strategy_id, version
        try:
            return self._limits[key]
        except KeyError:
            return self._look_for(key)

    def _look_for(self, key: tuple[str, int]) -> StrategyLimit:
        now, looked_at = self._clock(), self._looked_at.get(key)
        if looked_at is None or now - looked_at >= _LOOK_SECONDS:
            self._looked_at[key] = now
            self._read()
        return self._limits.get(key, _NO_RECORD)

    def _read(self) -> None:
        for activation in self._read_new():
            key = activation.strategy_id, activation.strategy_version
            limit = _limit(activation)
            self._limits[key] = (
                _stricter(self._limits[key], limit) if key in self._limits else limit
            )


def _limit(activation: Activation) -> StrategyLimit:
    if activation.configuration is None:
        return UnknownLimit(
            "its record on the topic activations has schema version 1, without a configuration"
        )
    try:
        return config_of(json.loads(activation.configuration)).max_position_size
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        return UnknownLimit(f"its record on the topic activations is invalid: {error}")


def _stricter(one: StrategyLimit, other: StrategyLimit) -> StrategyLimit:
    """Return the stricter limit, for a row that was edited by hand under its old version."""
    known = [limit for limit in (one, other) if not isinstance(limit, UnknownLimit)]
    sizes = [limit for limit in known if limit is not None]
    if sizes:
        return min(sizes)
    return None if known else one
