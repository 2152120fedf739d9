"""Risk checks: one function each.

A check compares the signal, and the exposure that its order would change, with the limits. It
returns a violation, or None. To add one, write the function and put it into ``CHECKS``: the first
check that fails gives the code of the rejection.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal
from operator import index
from typing import Any, Final, NamedTuple, cast

from algo_panda.domain.money import PRICE_SCALE, from_raw, plain
from algo_panda.domain.signals import SignalType, TradingSignal
from algo_panda.domain.time_to_live import TimeToLive
from algo_panda.domain.trading import RejectionCode, TradingState, Violation

_BUY: Final = SignalType.BUY
_ACTIVE: Final = TradingState.ACTIVE
_REDUCING: Final = TradingState.REDUCING


class RiskLimits:
    """Limits of every strategy; amounts in the instrument's currency.

    Args:
        max_quantity: units per order.
        max_notional: quantity times price, per order.
        max_position: absolute units per strategy, instrument and account, working orders included.
        time_to_live: oldest signals that become orders; None: any, as in a backtest.
    """

    def __init__(
        self,
        *,
        max_quantity: int,
        max_notional: Decimal,
        max_position: int,
        time_to_live: TimeToLive | None = None,
    ) -> None:
        self.max_quantity = max_quantity
        self.max_notional = max_notional
        self.max_position = max_position
        self.time_to_live = time_to_live
        amount, whole = max_notional.as_integer_ratio()
        self.max_notional_raw = amount * 10**PRICE_SCALE // whole
        """The largest whole number of ``10**-8`` that is not above ``max_notional``."""
        age = "" if time_to_live is None else time_to_live.text
        text = f"{max_quantity}|{self.max_notional_raw}|{max_position}|{age}"
        self.version = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        """Hex of BLAKE2b-32 over all of them: other limits have another version."""


class UnknownLimit(NamedTuple):
    """The ``max_position_size`` of a strategy version is not known."""

    reason: str


StrategyLimit = int | UnknownLimit | None
"""``max_position_size`` of a strategy version in units; None: it has none."""


class Exposure:
    """Position of a strategy in an instrument on an account, and its working orders.

    Args:
        position: filled units; negative when short.
        working_buys: units of approved buy orders that may still be filled.
        working_sells: the same of sell orders, positive.
    """

    def __init__(self, *, position: int = 0, working_buys: int = 0, working_sells: int = 0) -> None:
        self.position = position
        self.working_buys = working_buys
        self.working_sells = working_sells


class RiskInput:
    """Input of a check.

    Args:
        signal: the signal.
        broker: the order is for this one.
        account: the order is booked on this one.
        exposure: without this order.
        limits: not to be exceeded.
        strategy_limit: not to be exceeded either.
        trading_state: of the account.
        now_us: the present time, microseconds since the epoch.
        appended_us: when the signal was appended to its topic; 0 if unknown.
    """

    def __init__(
        self,
        *,
        signal: TradingSignal,
        broker: str,
        account: str,
        exposure: Exposure,
        limits: RiskLimits,
        strategy_limit: StrategyLimit,
        trading_state: TradingState,
        now_us: int,
        appended_us: int,
    ) -> None:
        self.signal = signal
        self.broker = broker
        self.account = account
        self.exposure = exposure
        self.limits = limits
        self.strategy_limit = strategy_limit
        self.trading_state = trading_state
        self.now_us = now_us
        self.appended_us = appended_us
        quantity: Any = cast("Any", signal).quantity
        self.quantity: int = quantity if type(quantity) is int else index(quantity)
        """Quantity of the order: a user's strategy may emit it as a number of NumPy."""

    @property
    def worst_position(self) -> int:
        """Return the position if this order and all working ones on its side are filled."""
        exposure = self.exposure
        if self.signal.signal_type is _BUY:
            return exposure.position + exposure.working_buys + self.quantity
        return exposure.position - exposure.working_sells - self.quantity

    @property
    def only_reduces(self) -> bool:
        """Return whether that position is nearer to zero than the present one, on the same side."""
        held, worst = self.exposure.position, self.worst_position
        return worst * held >= 0 and abs(worst) < abs(held)


RiskCheck = Callable[[RiskInput], Violation | None]


def signal_has_not_expired(given: RiskInput, /) -> Violation | None:
    """``now - event time <= time to live``, and the same from the time it was appended."""
    time_to_live = given.limits.time_to_live
    if time_to_live is None:
        return None
    problem = time_to_live.problem(
        broker=given.broker,
        event_us=given.signal.event_time_us,
        appended_us=given.appended_us,
        now_us=given.now_us,
    )
    if problem is None:
        return None
    return Violation(code=RejectionCode.EXPIRED, reason=f"the signal has expired: {problem}")


def trading_is_not_halted(given: RiskInput, /) -> Violation | None:
    """The kill switch: nothing passes while halted, only what reduces while reducing."""
    if given.trading_state is _ACTIVE:
        return None
    if given.trading_state is _REDUCING and given.only_reduces:
        return None
    return Violation(
        code=RejectionCode.TRADING_HALTED,
        reason=f"trading on account {given.account} is {given.trading_state}",
    )


def quantity_is_positive_and_within_limit(given: RiskInput, /) -> Violation | None:
    """``0 < quantity <= max_quantity``."""
    quantity, most = given.quantity, given.limits.max_quantity
    if quantity <= 0:
        return Violation(
            code=RejectionCode.INVALID_QUANTITY, reason=f"quantity {quantity} is not positive"
        )
    if quantity > most:
        return Violation(
            code=RejectionCode.QUANTITY_EXCEEDS_MAXIMUM,
            reason=f"quantity {quantity} is above the maximum of {most} per order",
        )
    return None


def notional_is_positive_and_within_limit(given: RiskInput, /) -> Violation | None:
    """``0 < quantity * price <= max_notional``."""
    notional_raw = given.quantity * given.signal.price_raw
    if 0 < notional_raw <= given.limits.max_notional_raw:
        return None
    notional, most = plain(from_raw(notional_raw)), given.limits.max_notional
    if notional_raw <= 0:
        return Violation(
            code=RejectionCode.INVALID_NOTIONAL, reason=f"notional {notional} is not positive"
        )
    return Violation(
        code=RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM,
        reason=f"notional {notional} is above the maximum of {plain(most)} per order",
    )


def position_stays_within_limit(given: RiskInput, /) -> Violation | None:
    """``|position after this and all working orders on its side| <= max_position``.

    The smaller of ``max_position`` and the strategy's own ``max_position_size`` counts. An order
    that only brings the position nearer to zero passes, also from beyond the limit, and also if
    the strategy's own limit is not known.
    """
    worst, most, own = given.worst_position, given.limits.max_position, given.strategy_limit
    name = "the maximum"
    if isinstance(own, UnknownLimit):
        most = 0
    elif own is not None and own < most:
        most, name = own, "the strategy's max_position_size"
    if abs(worst) <= most or given.only_reduces:
        return None
    if isinstance(own, UnknownLimit):
        limit = (
            f"and the max_position_size of version {given.signal.strategy_version} of the strategy"
            f" is not known: {own.reason}; increment `version` in its row and restart the runners"
        )
    else:
        limit = f"beyond {name} of {most}"
    return Violation(
        code=RejectionCode.POSITION_EXCEEDS_MAXIMUM,
        reason=f"position would become {worst} (held {given.exposure.position}), {limit}",
    )


CHECKS: tuple[RiskCheck, ...] = (
    signal_has_not_expired,
    trading_is_not_halted,
    quantity_is_positive_and_within_limit,
    notional_is_positive_and_within_limit,
    position_stays_within_limit,
)
