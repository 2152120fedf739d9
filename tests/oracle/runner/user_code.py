"""Strategies and validators of users: found by their paths, made, and asked what they can do."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from algo_panda.domain.config import ExecutionContext, StrategyConfig
from tests.oracle.runner.rules import PROCESSORS, RunnerRules

_DEFAULT_HISTORY = 100


@dataclass(frozen=True, slots=True)
class Processor:
    """A processor on one instrument, and what it declares."""

    code: Any
    history_size: int
    warmup_ticks: int | None
    model_digest: str | None

    def has(self, method: str) -> bool:
        """Return whether it has an optional method."""
        return callable(getattr(self.code, method, None))


def attempt(call: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """Call users' code; return what it returns, or None and what it raises."""
    try:
        return call(*arguments), None
    except BaseException as error:  # noqa: BLE001 - a panic is contained as any other error is
        return None, error


class UserCode:
    """Makes processors and validators of configurations."""

    def __init__(self, rules: RunnerRules) -> None:
        self._rules = rules
        self._processors = {**PROCESSORS, **(rules.processors or {})}
        self._validators: Mapping[str, str] = rules.validators or {}
        self._loaded: dict[str, Callable[..., Any]] = {}

    def processor(self, config: StrategyConfig, token: int) -> Processor:
        """Make a processor and load its model.

        Raises:
            BaseException: whatever the user's code raises, or a reason why it cannot be used.
        """
        create = self._load(self._processors[config.strategy_type])
        context = (ExecutionContext.of(config, token),) if _wants_two(create) else ()
        code = create(*_given(create, config), *context)
        if not callable(getattr(code, "process_tick", None)):
            raise ValueError("it has no method process_tick")
        history = code.history_size if hasattr(code, "history_size") else _DEFAULT_HISTORY
        warmup = code.warmup_ticks if hasattr(code, "warmup_ticks") else None
        if not _is_count(history) or not (warmup is None or _is_count(warmup)):
            raise ValueError("history_size or warmup_ticks is no count")
        if callable(getattr(code, "load_model", None)) and not code.load_model():
            raise ValueError("load_model returned False")
        digest, _ = attempt(getattr, code, "model_digest", None)
        return Processor(code, history, warmup, None if digest is None else str(digest))

    def validator(self, config: StrategyConfig) -> Any:
        """Make the user's validator of a strategy; None if it is one of the package's own.

        Raises:
            BaseException: as ``processor``.
        """
        path = self._validators.get(config.validator_type or "standard")
        if path is None:
            return None
        create = self._load(path)
        validator = create(*_given(create, config))
        answer = validator.validate_configuration(*_given(create, config))
        if answer is False or (answer is not True and len(answer or ()) > 0):
            raise ValueError(f"the configuration is invalid: {answer}")
        return validator

    def _load(self, path: str) -> Callable[..., Any]:
        if path not in self._loaded:
            name, _, attribute = path.rpartition(".")
            with _folders(list(map(str, self._rules.folders))):
                self._loaded[path] = getattr(importlib.import_module(name), attribute)
        return self._loaded[path]


@contextmanager
def _folders(folders: list[str]) -> Iterator[None]:
    """Let modules be found in folders, and forget afterwards those that were."""
    before, path = set(sys.modules), list(sys.path)
    sys.path.extend(folders)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if any(file.startswith(f"{folder}/") for folder in folders):
                del sys.modules[name]


def _wants_two(create: Callable[..., Any]) -> bool:
    """Return whether a factory takes ``(config, context)``."""
    second = list(inspect.signature(create).parameters.values())[1:2]
    return any(one.default is one.empty or one.name == "context" for one in second)


def _given(create: Callable[..., Any], config: StrategyConfig) -> tuple[Any]:
    """Return the first argument of a factory: the configuration, or its parameters."""
    first = next(iter(inspect.signature(create).parameters.values()))
    is_named = first.annotation in (StrategyConfig, "StrategyConfig")
    return (config if is_named or _wants_two(create) else deepcopy(dict(config.parameters)),)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0
