"""``strict_risk``: everything that ``standard`` asks for, and limits on size, doubt and age."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from algo_panda.domain.config import StrategyConfig
from algo_panda.parameters import parse_parameters
from algo_panda.validation.checklist import PREFIX, ChecklistValidator
from algo_panda.validation.checks import (
    Check,
    max_notional,
    max_quantity,
    max_tick_age,
    min_confidence,
)
from algo_panda.validation.standard import StandardParameters, standard_checks


class StrictRiskParameters(StandardParameters):
    """Parameters of ``strict_risk``: those of ``standard`` and its own."""

    min_confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.75
    max_quantity: Annotated[int, Field(strict=True, ge=1)] = 10_000
    """Units per signal."""
    max_notional: Annotated[Decimal, Field(gt=0, decimal_places=8)] = Decimal(1_000_000)
    """Quantity times price, per signal."""
    max_tick_age_seconds: Annotated[Decimal, Field(gt=0, decimal_places=6)] = Decimal(5)
    """Most that may lie between a tick's event time and its receipt by the broker."""


def strict_checks(parameters: StrictRiskParameters) -> tuple[Check, ...]:
    """The checks of ``strict_risk``, in their order."""
    return (
        *standard_checks(parameters),
        min_confidence(parameters.min_confidence),
        max_quantity(parameters.max_quantity),
        max_notional(parameters.max_notional),
        max_tick_age(parameters.max_tick_age_seconds),
    )


def create_validator(config: StrategyConfig) -> ChecklistValidator:
    """A ``strict_risk`` validator with the parameters of ``config``.

    Raises:
        ValueError: a parameter cannot be used; the message names it.
    """
    parameters = parse_parameters(StrictRiskParameters, config.validation, prefix=PREFIX)
    return ChecklistValidator(strict_checks(parameters), StrictRiskParameters)
