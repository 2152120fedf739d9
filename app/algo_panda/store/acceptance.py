"""What a configuration must pass, beside being readable, to be used."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.containment import described_whole, is_interrupt, text_of
from algo_panda.domain.factory import StrategyFactory
from algo_panda.domain.trading import KNOWN_BROKERS
from algo_panda.store.documents import canonical
from algo_panda.store.repository import Check, StrategyRefusedError

TOKEN_LIMIT = 2**32
"""Kite's instrument tokens are below it."""


def factory_check(factory: StrategyFactory) -> Check:
    """The check that a strategy can be made of a configuration. Making one loads no model."""

    def check(config: StrategyConfig) -> None:
        factory.create_executor(config, config.instruments[0])

    return check


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The rules: ours about instruments and brokers, and ``check``."""

    check: Check
    brokers: Collection[str] = KNOWN_BROKERS

    def refusal(self, config: StrategyConfig) -> str | None:
        """Why ``config`` cannot be used, or None."""
        try:
            _check_instruments(config.instruments)
            _check_brokers(config.brokers, self.brokers)
            self.check(config)
        except ValueError as error:
            return text_of(error)
        except BaseException as error:  # a user's strategy type may raise anything
            if is_interrupt(error):
                raise
            return f"{config.strategy_type} rejects the configuration: {described_whole(error)}"
        return None

    def accepted(self, config: StrategyConfig) -> StrategyConfig:
        """``config`` as every database will give it back.

        Raises:
            StrategyRefusedError: it could not be used.
        """
        config = replace(config, parameters=accepted_parameters(config.parameters))
        reason = self.refusal(config)
        if reason is not None:
            raise StrategyRefusedError(reason)
        return config


def accepted_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """``parameters`` as every database will give them back.

    Raises:
        StrategyRefusedError: not every database could.
    """
    try:
        return canonical(parameters)
    except ValueError as error:
        raise StrategyRefusedError(f"parameters {error}") from error


def _check_instruments(tokens: tuple[int, ...]) -> None:
    for token in tokens:
        if not 0 < token < TOKEN_LIMIT:
            raise ValueError(f"instruments: {token} is not between 1 and {TOKEN_LIMIT - 1}")
    if len(set(tokens)) < len(tokens):
        twice = next(token for token in tokens if tokens.count(token) > 1)
        raise ValueError(f"instruments: {twice} is named more than once")


def _check_brokers(named: tuple[str, ...], known: Collection[str]) -> None:
    for broker in named:
        if broker not in known:
            raise ValueError(f"unknown broker {broker!r}; known: {', '.join(sorted(known))}")
    if len(set(named)) < len(named):
        raise ValueError(f"active_brokers: a broker is named more than once: {', '.join(named)}")
