"""What a fill on paper costs: charges as shares of an order's notional, from a dated file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import reduce
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from algo_panda.domain.errors import ConfigurationError
from algo_panda.domain.trading import Side
from algo_panda.yaml_source import YamlSource, read_yaml

PRESETS: Final = Path(__file__).parent / "presets"

_ZERO = Decimal(0)
_SMALLEST = Decimal("0.00000001")
_MOST = Decimal(10**10 - 1)
_CONTEXT = Context(prec=40, rounding=ROUND_HALF_UP)
"""Of our own: a strategy may set the thread's to anything."""


class FeeFileError(ConfigurationError):
    """A file of charges cannot be used; the message names file, line and key."""


class Charge(BaseModel):
    """One charge of an order: ``rate * base + amount``, at most ``maximum``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rate: Decimal = Field(default=Decimal(0), ge=0, lt=1)
    """Share of the notional, or of the charges named by ``of``."""
    amount: Decimal = Field(default=Decimal(0), ge=0)
    """So much for every order that is filled, be it in part."""
    maximum: Decimal | None = Field(default=None, gt=0)
    """The most that one order pays of it."""
    side: Side | None = None
    """Only orders on this side pay it; None: both."""
    of: tuple[str, ...] = ()
    """A tax on these charges, which stand before it, instead of on the notional."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    as_of: date
    charges: dict[str, Charge]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeSchedule:
    """The charges of a broker at some date."""

    name: str
    as_of: date
    charges: Mapping[str, Charge]

    def total(self, side: Side, notional: Decimal) -> Decimal:
        """All charges of an order of which ``notional`` was filled; 0 where nothing was.

        Rounded to ``10**-8``, half up; at most what a record holds, some 10**10.
        """
        if not notional:
            return _ZERO
        paid: dict[str, Decimal] = {}
        for name, charge in self.charges.items():
            if charge.side not in (None, side):
                continue
            base = _sum(paid.get(taxed, _ZERO) for taxed in charge.of) if charge.of else notional
            due = _CONTEXT.add(_CONTEXT.multiply(charge.rate, base), charge.amount)
            paid[name] = due if charge.maximum is None else min(due, charge.maximum)
        return min(_sum(paid.values()), _MOST).quantize(_SMALLEST, context=_CONTEXT)

    def of_fill(self, side: Side, before: Decimal, after: Decimal) -> Decimal:
        """What a fill adds that takes an order's notional from ``before`` to ``after``."""
        return _CONTEXT.subtract(self.total(side, after), self.total(side, before))


def read_fees(name: str) -> FeeSchedule:
    """The preset called ``name``, or the charges in the file of that path.

    Raises:
        FeeFileError: there is neither, or it cannot be used.
    """
    path = PRESETS / f"{name}.yaml"
    if not path.is_file():
        path = Path(name)
    if not path.is_file():
        known = ", ".join(sorted(preset.stem for preset in PRESETS.glob("*.yaml")))
        raise FeeFileError(f"{name} is neither a file nor a preset; presets: {known}")
    source = read_yaml(path)
    try:
        given = _File.model_validate(source.data)
    except ValidationError as error:
        raise _problem(source, error) from error
    before: set[str] = set()
    for label, charge in given.charges.items():
        unknown = [name for name in charge.of if name not in before]
        if unknown:
            where = source.where(("charges", label, "of"))
            raise FeeFileError(f"{where} {unknown[0]!r} is not the name of a charge before it")
        before.add(label)
    return FeeSchedule(name=given.name, as_of=given.as_of, charges=given.charges)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return reduce(_CONTEXT.add, amounts, _ZERO)


def _problem(source: YamlSource, error: ValidationError) -> FeeFileError:
    first = error.errors(include_url=False, include_input=False)[0]
    return FeeFileError(
        f"{source.where(first['loc'])} {first['msg'].removeprefix('Value error, ')}"
    )
