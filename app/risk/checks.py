"""The checks of a signal that may become an order: one function each.

A check looks at the signal, the exposure that its order would change, and the limits; it
returns what is wrong, or None. To add one, write the function and put it into ``CHECKS``, in
the order in which refusals should be named.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import plain
from app.domain.signals import SignalType, TradingSignal
from app.domain.trading import RejectionCode, TradingState, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """Limits of every strategy; amounts in the instrument's currency."""

    max_quantity: int
    """Units per order."""
    max_notional: Decimal
    """Quantity times price, per order."""
    max_position: int
    """Absolute units per strategy, instrument and account, working orders included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a strategy holds of an instrument on an account, and may yet come to hold."""

    position: int = 0
    """Filled units; negative when short."""
    working_buys: int = 0
    """Units of approved buy orders that may still be filled."""
    working_sells: int = 0
    """The same of sell orders, positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskInput:
    """All that a check may look at."""

    signal: TradingSignal
    account: str
    exposure: Exposure
    limits: RiskLimits
    trading_state: TradingState

    @property
    def worst_position(self) -> int:
        """The position if this order and all working ones on its side are filled."""
        if self.signal.signal_type is SignalType.BUY:
            return self.exposure.position + self.exposure.working_buys + self.signal.quantity
        return self.exposure.position - self.exposure.working_sells - self.signal.quantity

    @property
    def only_reduces(self) -> bool:
        """Whether that position is nearer to zero than the one held, and not beyond zero."""
        held, worst = self.exposure.position, self.worst_position
        return worst * held >= 0 and abs(worst) < abs(held)


RiskCheck = Callable[[RiskInput], Violation | None]


def trading_is_not_halted(given: RiskInput, /) -> Violation | None:
    """The kill switch: nothing passes while halted, only what reduces while reducing."""
    if given.trading_state is TradingState.ACTIVE:
        return None
    if given.trading_state is TradingState.REDUCING and given.only_reduces:
        return None
    return Violation(
        code=RejectionCode.TRADING_HALTED,
        reason=f"trading on account {given.account} is {given.trading_state}",
    )


def quantity_is_positive_and_within_limit(given: RiskInput, /) -> Violation | None:
    """``0 < quantity <= max_quantity``."""
    quantity, most = given.signal.quantity, given.limits.max_quantity
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
    notional, most = given.signal.quantity * given.signal.price, given.limits.max_notional
    if notional <= 0:
        return Violation(
            code=RejectionCode.INVALID_NOTIONAL,
            reason=f"notional {plain(notional)} is not positive",
        )
    if notional > most:
        return Violation(
            code=RejectionCode.NOTIONAL_EXCEEDS_MAXIMUM,
            reason=f"notional {plain(notional)} is above the maximum of {plain(most)} per order",
        )
    return None


def position_stays_within_limit(given: RiskInput, /) -> Violation | None:
    """``|position after this and all working orders on its side| <= max_position``.

    An order that only brings the position nearer to zero passes, also from beyond the limit.
    """
    worst, most = given.worst_position, given.limits.max_position
    if abs(worst) <= most or given.only_reduces:
        return None
    return Violation(
        code=RejectionCode.POSITION_EXCEEDS_MAXIMUM,
        reason=(
            f"position would become {worst} (held {given.exposure.position}),"
            f" beyond the maximum of {most}"
        ),
    )


CHECKS: tuple[RiskCheck, ...] = (
    trading_is_not_halted,
    quantity_is_positive_and_within_limit,
    notional_is_positive_and_within_limit,
    position_stays_within_limit,
)
