"""A bounded memory of parsed texts: tokens, prices and seconds repeat from row to row."""

from collections.abc import Callable, Hashable
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST = 65_536


class Memo(dict[K, V]):
    """``memo[key]`` is ``parse(key)``, computed once while it is remembered.

    A subclass of dict, so that a key that is known costs one dictionary look-up; when it holds
    65,536 keys it starts anew.
    """

    __slots__ = ("_parse",)

    def __init__(self, parse: Callable[[K], V]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, key: K) -> V:
        value = self._parse(key)
        if len(self) >= _MOST:
            self.clear()
        self[key] = value
        return value
