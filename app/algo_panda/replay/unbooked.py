"""Fills that are known and not booked yet, by the times that they count at."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus
from algo_panda.replay.trades import Fill, new_fill
from algo_panda.replay.trading import Event

_FILL: Final = Fill
_ORDER: Final = Order
_REPORT: Final = ExecutionReport
_TIME: Final = itemgetter(Fill._fields.index("time_us"))
_ENDS: Final = frozenset(status for status in OrderStatus if status.is_terminal)


class Unbooked:
    """Takes what happens to orders; gives the fills, in the order of their times."""

    def __init__(self) -> None:
        self._fills: list[Fill] = []
        self._next = 0
        self._is_sorted = True
        self._booked_us: dict[tuple[str, str, int], int] = {}
        self.references: dict[str, int] = {}
        """At what raw price each order that is not over was made, by its id."""

    def take(self, events: Sequence[Event]) -> None:
        """These happened, in this order."""
        for event in events:
            if type(event) is _ORDER:
                self.references[event.client_order_id] = event.reference_price_raw
            elif type(event) is _REPORT:
                if event.last_quantity:
                    self._add(event)
                if event.status in _ENDS:
                    self.references.pop(event.client_order_id, None)

    def instruments(self) -> set[int]:
        """Those of all fills at hand."""
        return {fill.report.instrument_token for fill in self._fills[self._next :]}

    def due(self, time_us: int | None) -> Sequence[Fill]:
        """The fills up to ``time_us``, or all; they are handed out once."""
        if not self._is_sorted:
            self._fills = sorted(self._fills[self._next :], key=_TIME)
            self._next, self._is_sorted = 0, True
        fills, start, end = self._fills, self._next, len(self._fills)
        if time_us is None:
            self._next = end
        else:
            while self._next < end and fills[self._next].time_us <= time_us:
                self._next += 1
        return fills[start : self._next]

    def _add(self, report: ExecutionReport) -> None:
        (
            _, order_id, _, _, account, _, strategy_id, _, token, _, _, _, _, _, _, _, _, time_us,
            _,
        ) = report  # fmt: skip
        key = (strategy_id, account, token)
        booked_us = self._booked_us.get(key)
        if booked_us is not None and booked_us > time_us:
            time_us = booked_us
        self._booked_us[key] = time_us
        fields: tuple[object, ...] = (time_us, report, self.references.get(order_id))
        self._fills.append(new_fill(_FILL, fields))
        self._is_sorted = False
