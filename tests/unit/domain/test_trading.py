"""Orders and their events: what can be read off them; and that no value of the domain changes."""

import dataclasses
import inspect

import pytest

from algo_panda.domain import capabilities, config, executor, market, signals, status, trading
from algo_panda.domain.trading import OrderStatus, RejectionCode, Side
from tests.unit.fakes.values import order, report


def test_buying_adds_and_selling_takes_away():
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    bought = report(order(side=Side.BUY), OrderStatus.FILLED, filled=10)
    sold = report(order(side=Side.SELL), OrderStatus.FILLED, filled=10)
    assert (bought.signed_quantity, sold.signed_quantity) == (10, -10)
    assert report(order(), OrderStatus.ACCEPTED).signed_quantity == 0


def test_an_order_ends_filled_canceled_rejected_or_expired_and_not_otherwise():
    terminal = {status for status in OrderStatus if status.is_terminal}
    assert terminal == {
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.REJECTED,
        OrderStatus.EXPIRED,
    }


def test_a_rejection_code_is_written_as_it_is_named():
    assert all(code.value == code.name for code in RejectionCode)


VALUES = [
    value
    for module in (capabilities, config, executor, market, signals, status, trading)
    for _, value in inspect.getmembers(module, dataclasses.is_dataclass)
    if value.__module__ == module.__name__
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_values_of_the_domain_are_frozen_slotted_and_made_by_keyword(value):
    assert value.__dataclass_params__.frozen
    assert "__slots__" in vars(value)
    assert all(field.kw_only for field in dataclasses.fields(value))
