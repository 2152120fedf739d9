"""``max_position_size`` of every strategy version, for risk. Why so: ADR 15."""

import json
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.config_json import config_of
from algo_panda.domain.trading import Activation
from algo_panda.risk.checks import StrategyLimit, UnknownLimit

logger = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_WAIT_SECONDS: Final = 5.0
_WAIT_AGAIN_SECONDS: Final = 60.0
_NO_RECORD: Final = UnknownLimit("the topic activations has no record of it")


class StrategyLimits:
    """Limits by strategy id and version, read from ``activations`` as they are needed.

    A version is activated before it emits its first signal, so its record is there. But a broker
    that has just restarted may name an end of the topic that lies before it. So the first signal of
    a version without a record waits for it, a few seconds, and not again within a minute; from then
    on it is looked for once a second.
    """

    def __init__(
        self,
        read_new: Callable[[], Iterable[Activation]],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Read the activations there are.

        Args:
            read_new: returns the activations that were added since its last call.
            clock: monotonic.
            sleep: waits so many seconds of that clock.
        """
        self._read_new = read_new
        self._clock = clock
        self._sleep = sleep
        self._next_wait = -math.inf
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
        if looked_at is None and key not in self._limits:
            self._wait_for(key)
        return self._limits.get(key, _NO_RECORD)

    def _wait_for(self, key: tuple[str, int]) -> None:
        started = self._clock()
        if started < self._next_wait:
            return
        while key not in self._limits and self._clock() - started < _WAIT_SECONDS:
            self._sleep(_LOOK_SECONDS)
            self._read()
        if key not in self._limits:
            self._next_wait = self._clock() + _WAIT_AGAIN_SECONDS
            logger.warning(
                "strategy %s version %d: %s; its signals may only reduce positions",
                *key,
                _NO_RECORD.reason,
            )

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
