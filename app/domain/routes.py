"""How far the orders of each strategy have come, so that an order that comes again is known."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from app.domain.trading import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRecord:
    """How far the orders of one strategy on one instrument of one account have come."""

    account: str
    strategy_id: str
    instrument_token: int
    tick_topic_id: str
    tick_offset: int


class Routes:
    """Tells an order from its redelivery.

    The tick offset of the orders of one strategy on one instrument of one account only rises, so
    what does not rise was here before. Another topic id means that offsets began anew.
    """

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, int], RouteRecord] = {}
        self._changed: set[tuple[str, str, int]] = set()

    def is_new(self, order: Order) -> bool:
        """Whether ``order`` was not here before; from now on it was."""
        key = (order.account, order.strategy_id, order.instrument_token)
        route = self._routes.get(key)
        if (
            route is not None
            and route.tick_topic_id == order.tick_topic_id
            and order.tick_offset <= route.tick_offset
        ):
            return False
        self._routes[key] = RouteRecord(
            account=order.account,
            strategy_id=order.strategy_id,
            instrument_token=order.instrument_token,
            tick_topic_id=order.tick_topic_id,
            tick_offset=order.tick_offset,
        )
        self._changed.add(key)
        return True

    def changed_records(self) -> Sequence[RouteRecord]:
        """Every route that moved since the last call."""
        changed, self._changed = self._changed, set()
        return [self._routes[key] for key in sorted(changed)]

    def restore(self, records: Iterable[RouteRecord]) -> None:
        """Go on from ``records``."""
        for record in records:
            key = (record.account, record.strategy_id, record.instrument_token)
            self._routes[key] = record
