"""Strategies in a YAML file, of the shape that rows of the database have."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from algo_panda.domain.config import StrategyConfig
from algo_panda.domain.errors import ConfigurationError
from algo_panda.store.acceptance import Acceptance
from algo_panda.store.repository import StrategyRefusedError
from algo_panda.yaml_source import YamlPath, YamlSource, read_yaml

_NAMESPACE = UUID("5b0f1c8e-2d7a-5c1b-8f0e-93f6d1b7a2c4")
"""A random uuid, once and for all: the same file gives the same ids."""


class StrategyFileError(ConfigurationError):
    """A file of strategies cannot be used; the message names file, line and key."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    strategy_type: str = Field(min_length=1)
    instruments: list[StrictInt] = Field(min_length=1)
    parameters: dict[str, Any] = Field(default_factory=dict[str, Any])
    id: UUID | None = None
    active_brokers: list[str] | None = None
    validator_type: str | None = None
    enabled: bool = True
    zerodha_trading_enabled: bool = False
    version: StrictInt = Field(default=1, ge=1)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    strategies: list[_Entry] = Field(min_length=1)


def read_strategy_file(path: Path, acceptance: Acceptance) -> tuple[StrategyConfig, ...]:
    """The enabled strategies in ``path``, in its order.

    An entry without an ``id`` gets one that is made of its place and type.

    Raises:
        StrategyFileError: a key is unknown, a value of the wrong form, or a strategy refused.
        ConfigurationError: the file cannot be read, or is not YAML.
    """
    source = read_yaml(path)
    try:
        entries = _File.model_validate(source.data).strategies
    except ValidationError as error:
        raise _problem(source, error) from error
    configs: dict[UUID, StrategyConfig] = {}
    for index, entry in enumerate(entries):
        try:
            config = acceptance.accepted(_config(index, entry))
        except (StrategyRefusedError, ValueError) as error:
            raise StrategyFileError(f"{source.where(('strategies', index))} {error}") from error
        if config.id in configs:
            where = source.where(("strategies", index, "id"))
            raise StrategyFileError(f"{where} the id {config.id} is used twice")
        configs[config.id] = config
    return tuple(config for config in configs.values() if config.enabled)


def _config(index: int, entry: _Entry) -> StrategyConfig:
    brokers = entry.active_brokers
    return StrategyConfig(
        id=entry.id or uuid5(_NAMESPACE, f"{index}|{entry.strategy_type}"),
        strategy_type=entry.strategy_type,
        parameters=entry.parameters,
        instruments=tuple(entry.instruments),
        active_brokers=None if brokers is None else tuple(brokers),
        validator_type=entry.validator_type,
        enabled=entry.enabled,
        zerodha_trading_enabled=entry.zerodha_trading_enabled,
        version=entry.version,
    )


def _problem(source: YamlSource, error: ValidationError) -> StrategyFileError:
    found = error.errors(include_url=False, include_input=False)
    # A misspelt key is unknown, and missing: the former says more.
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    at: YamlPath = first["loc"]
    if first["type"] == "extra_forbidden":
        known = _File.model_fields if len(at) == 1 else _Entry.model_fields
        problem = f"unknown key {at[-1]}; known: {', '.join(known)}"
    elif first["type"] == "missing":
        problem, at = f"{at[-1]} is missing", at[:-1]
    else:
        problem = first["msg"]
    return StrategyFileError(f"{source.where(at)} {problem}")
