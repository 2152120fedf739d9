"""Whether a processor has what a capability consists of: ``isinstance``, in a fraction of its time.

A worker asks a dozen times for each of its tens of thousands of processors.
"""

from typing import TypeGuard, TypeVar

C = TypeVar("C")


def offers(processor: object, capability: type[C]) -> TypeGuard[C]:
    """Whether ``processor`` has every member of the Protocol ``capability``, no method as None."""
    if hasattr(processor, "__dict__"):
        return _has_all(processor, capability)
    asked = type(processor), capability
    known = _of_class.get(asked)
    if known is None:
        known = _of_class[asked] = _class_has_all(*asked)
    return _has_all(processor, capability) if known == _DEPENDS else known == _YES


_YES, _NO, _DEPENDS = range(3)
_MISSING = object()


def _class_has_all(kind: type, capability: object) -> int:
    """Whether all its instances have every member, where they have no attributes of their own.

    What is no method is a property or a slot: one instance may have it, and another not.
    """
    if _on_class(kind, "__getattr__") is not _MISSING:
        return _DEPENDS
    answer = _YES
    for name, is_method in _members(capability):
        member = _on_class(kind, name)
        if member is _MISSING or (is_method and member is None):
            return _NO
        if not callable(member):
            answer = _DEPENDS
    return answer


def _on_class(kind: type, name: str) -> object:
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING)


def _has_all(processor: object, capability: object) -> bool:
    return all(
        getattr(processor, name, None) is not None if is_method else hasattr(processor, name)
        for name, is_method in _members(capability)
    )


def _members(capability: object) -> tuple[tuple[str, bool], ...]:
    members = _known.get(capability)
    if members is None:
        members = _known[capability] = tuple(
            (name, callable(member))
            for name, member in vars(capability).items()
            if not name.startswith("_")
        )
    return members


_known: dict[object, tuple[tuple[str, bool], ...]] = {}
_of_class: dict[tuple[type, object], int] = {}
