"""What a processor offers is what it has, however quickly it is asked."""

from typing import Any

import pytest

from algo_panda.domain import protocols
from algo_panda.domain.offers import offers
from algo_panda.strategies.ml_momentum import MlMomentum
from algo_panda.strategies.parameters import ModelParameters, RulesRsiParameters
from algo_panda.strategies.rules_rsi import RulesRsi

CAPABILITIES = [
    member
    for member in vars(protocols).values()
    if getattr(member, "_is_runtime_protocol", False) and member.__module__ == protocols.__name__
]


class Open:
    """With attributes of its own."""

    def __init__(self, **members: Any) -> None:
        vars(self).update(members)

    def process_tick(self, tick: Any, history: Any) -> None: ...


class OptsOut(Open):
    def warmup(self, history: Any) -> None: ...

    on_bar = None
    model_digest = None
    warmup_ticks = None


class Slotted:
    __slots__ = ("history_size", "shutdown", "warmup_ticks")

    def __init__(self, **members: Any) -> None:
        for name, value in members.items():
            setattr(self, name, value)

    def snapshot(self) -> bytes:
        return b""

    @classmethod
    def restore(cls, state: bytes) -> None: ...

    @staticmethod
    def on_bar(bar: Any) -> None: ...

    @property
    def model_digest(self) -> str:
        raise AttributeError("not yet")


class Answering:
    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name == "load_model":
            return lambda: True
        raise AttributeError(name)


def has_all(processor: Any, capability: Any) -> bool:
    return all(
        getattr(processor, name, None) is not None if callable(member) else hasattr(processor, name)
        for name, member in vars(capability).items()
        if not name.startswith("_")
    )


@pytest.mark.parametrize(
    "processor",
    [
        Open(),
        Open(warmup=lambda history: None, history_size=3),
        OptsOut(),
        OptsOut(warmup=None),
        Slotted(),
        Slotted(history_size=5),
        Slotted(shutdown=None, warmup_ticks=None),
        Slotted(shutdown=lambda: None),
        Answering(),
        RulesRsi(RulesRsiParameters()),
        MlMomentum(ModelParameters()),
    ],
    ids=lambda processor: type(processor).__name__,
)
def test_it_says_what_the_processor_has(processor: Any):
    assert CAPABILITIES
    said = {capability.__name__: offers(processor, capability) for capability in CAPABILITIES}
    assert said == {
        capability.__name__: has_all(processor, capability) for capability in CAPABILITIES
    }


def test_instances_of_one_class_may_differ():
    assert offers(Slotted(history_size=1), protocols.DeclaresHistory)
    assert not offers(Slotted(), protocols.DeclaresHistory)
    assert not offers(OptsOut(warmup=None), protocols.WarmsUp)
    assert offers(OptsOut(), protocols.WarmsUp)
