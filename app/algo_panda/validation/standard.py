"""``standard``: a signal that makes sense, at a price near the tick's."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from algo_panda.domain.config import StrategyConfig
from algo_panda.parameters import Parameters, parse_parameters
from algo_panda.validation.checklist import PREFIX, ChecklistValidator
from algo_panda.validation.checks import (
    Check,
    price_near_tick,
    well_formed,
)


class StandardParameters(Parameters):
    """Parameters of ``standard``."""

    max_price_deviation: Annotated[Decimal, Field(ge=0, le=1, decimal_places=12)] = Decimal("0.05")
    """Most that the price may be off the tick's, as a fraction of it."""


def standard_checks(parameters: StandardParameters) -> tuple[Check, ...]:
    """The checks of ``standard``, in their order."""
    return (
        well_formed,
        price_near_tick(parameters.max_price_deviation),
    )


def create_validator(config: StrategyConfig) -> ChecklistValidator:
    """A ``standard`` validator with the parameters of ``config``.

    Raises:
        ValueError: a parameter cannot be used; the message names it.
    """
    parameters = parse_parameters(StandardParameters, config.validation, prefix=PREFIX)
    return ChecklistValidator(standard_checks(parameters), StandardParameters)
