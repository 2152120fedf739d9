"""What a fill on paper costs."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.brokers.paper.fees import FeeFileError, read_fees
from algo_panda.domain.trading import Side

ZERODHA = read_fees("zerodha-nse-intraday-2024-10")


def test_zerodha_s_charges_are_those_of_its_list():
    assert ZERODHA.as_of == date(2024, 10, 1)
    # 100 shares at 500: brokerage 15, transaction 1.485, SEBI 0.05, GST 18 % of these 2.9763,
    # and stamp duty 1.50 for the purchase, STT 12.50 for the sale.
    assert ZERODHA.total(Side.BUY, Decimal(50_000)) == Decimal("21.0113")
    assert ZERODHA.total(Side.SELL, Decimal(50_000)) == Decimal("32.0113")


def test_brokerage_is_at_most_twenty_rupees_for_an_order():
    # 1,000,000: brokerage 20 instead of 300, transaction 29.7, SEBI 1, GST 9.126, stamp duty 30.
    assert ZERODHA.total(Side.BUY, Decimal(1_000_000)) == Decimal("89.826")


@given(
    side=st.sampled_from(Side),
    parts=st.lists(
        st.decimals(min_value=Decimal("0.01"), max_value=10**8, places=2), min_size=1, max_size=8
    ),
)
def test_an_order_filled_in_parts_costs_what_it_costs_filled_at_once(
    side: Side, parts: list[Decimal]
):
    filled, paid = Decimal(0), Decimal(0)
    for part in parts:
        fee = ZERODHA.of_fill(side, filled, filled + part)
        assert fee >= 0
        filled, paid = filled + part, paid + fee
    assert paid == ZERODHA.total(side, filled)


def test_charges_can_be_ones_own(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\nas_of: 2026-01-01\ncharges:\n"
        "  ticket: {amount: 1.50}\n"
        "  levy: {rate: 0.001, maximum: 5, side: SELL}\n"
        "  vat: {rate: 0.2, of: [ticket, levy]}\n"
    )
    mine = read_fees(str(path))
    assert mine.name == "mine"
    assert mine.total(Side.BUY, Decimal(100)) == Decimal("1.8")
    assert mine.total(Side.SELL, Decimal(1_000)) == Decimal(3)
    assert mine.total(Side.SELL, Decimal(1_000_000)) == Decimal("7.8")
    assert mine.total(Side.SELL, Decimal(0)) == 0


@pytest.mark.parametrize(
    ("charges", "reason"),
    [
        ("  a: {rate: 2}\n", r"mine.yaml:4: charges.a.rate: Input should be less than 1"),
        ("  a: {rates: 1}\n", r"mine.yaml:4: charges.a.rates: Extra inputs are not permitted"),
        ("  a: {side: BOTH}\n", r"mine.yaml:4: charges.a.side: Input should be 'BUY' or 'SELL'"),
        (
            "  a: {rate: 0.1, of: [b]}\n  b: {amount: 1}\n",
            r"mine.yaml:4: charges.a.of: 'b' is not the name",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    tmp_path: Path, charges: str, reason: str
):
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\nas_of: 2026-01-01\ncharges:\n{charges}")
    with pytest.raises(FeeFileError, match=reason):
        read_fees(str(path))


def test_fees_are_no_larger_than_a_record_holds():
    assert ZERODHA.total(Side.SELL, Decimal(10) ** 17) == 10**10 - 1


def test_a_name_that_is_neither_preset_nor_file_lists_the_presets():
    with pytest.raises(FeeFileError, match="presets: zerodha-nse-intraday-2024-10"):
        read_fees("nowhere")
