"""Redelivered orders as version 1 of the router's and the paper venue's state knows them."""

from collections.abc import Iterable
from typing import NamedTuple

from algo_panda.domain.trading import Order

_Key = tuple[str, str, int]


class RouteRecord(NamedTuple):
    """Tick of the newest order of one strategy on one instrument of one account."""

    account: str
    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    tick_offset: int


class RestoredRoutes:
    """Routes of state that version 1 wrote.

    Version 1 kept no ids of orders, only the tick offset of the newest order. A route holds until
    the first order behind it.
    """

    def __init__(self) -> None:
        self._routes: dict[_Key, RouteRecord] = {}
        self._ended: list[RouteRecord] = []

    def restore(self, records: Iterable[RouteRecord]) -> None:
        """Take the routes; call before the first order."""
        for record in records:
            self._routes[record.account, record.strategy_id, record.instrument_token] = record

    def cover(self, order: Order) -> bool:
        """Return whether ``order`` is a redelivery."""
        if not self._routes:
            return False
        key = (order.account, order.strategy_id, order.instrument_token)
        route = self._routes.get(key)
        if route is None:
            return False
        if order.tick_topic_id == route.tick_topic_id and order.tick_offset <= route.tick_offset:
            return True
        del self._routes[key]
        self._ended.append(route)
        return False

    def ended(self) -> tuple[RouteRecord, ...]:
        """Return the routes that ended since the last call."""
        ended, self._ended = self._ended, []
        return tuple(ended)
