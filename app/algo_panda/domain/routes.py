"""How far the orders of each strategy have come, so that an order that comes again is known."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from algo_panda.domain.trading import Order

_Key = tuple[str, str, int]


class RouteRecord(NamedTuple):
    """How far the orders of one strategy on one instrument of one account have come."""

    account: str
    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    tick_offset: int


class _Route:
    """The same, as it moves."""

    def __init__(self, topic_id: str, offset: int) -> None:
        self.topic_id = topic_id
        self.offset = offset
        self.is_changed = False


class Routes:
    """Tells an order from its redelivery.

    The tick offset of the orders of one strategy on one instrument of one account only rises, so
    what does not rise was here before. Another topic id means that offsets began anew.
    """

    def __init__(self) -> None:
        self._routes: dict[_Key, _Route] = {}
        self._changed: list[_Key] = []

    def is_new(self, order: Order) -> bool:
        """Whether ``order`` was not here before; from now on it was."""
        (
            _, _, account, _, strategy_id, _, token, _, _, _, _, _, topic_id, _, offset,
        ) = order  # fmt: skip
        key = (account, strategy_id, token)
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(topic_id, offset)
        elif route.topic_id == topic_id and offset <= route.offset:
            return False
        else:
            route.topic_id, route.offset = topic_id, offset
        if not route.is_changed:
            route.is_changed = True
            self._changed.append(key)
        return True

    def changed_records(self) -> Sequence[RouteRecord]:
        """Every route that moved since the last call."""
        changed, self._changed = self._changed, []
        return [self._record(key) for key in sorted(changed)]

    def restore(self, records: Iterable[RouteRecord]) -> None:
        """Go on from ``records``."""
        for record in records:
            key = (record.account, record.strategy_id, record.instrument_token)
            self._routes[key] = _Route(record.tick_topic_id, record.tick_offset)

    def _record(self, key: _Key) -> RouteRecord:
        route = self._routes[key]
        route.is_changed = False
        return RouteRecord(*key, route.topic_id, route.offset)
