"""nautilus_trader's BacktestEngine: one Python strategy on the trade ticks of all instruments.

``BENCH_TICKS_FILE`` holds rows of five 64-bit integers: token, price in units of ``10**-8``,
quantity, volume, event time in microseconds. Variant ``orders``: a market order of 1 at every
signal, filled by the simulated venue at the last trade, without latency, slippage or fees.
"""

import json
import os
import time
from array import array
from decimal import Decimal
from pathlib import Path

from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import FIXED_SCALAR, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from benchmarks.peer import VARIANT, peak_rss_mb
from benchmarks.work import Rsi

_VENUE = Venue("SIM")
_ONE = Quantity.from_int(1)
_ORDERS = VARIANT == "orders"
_UNITS = 10**8
_FIELDS = 5


class Signals(Strategy):
    """The same RSI as every other peer's: exact, with running sums."""

    def __init__(self, instruments: list[Equity]) -> None:
        super().__init__()
        self.watched = instruments
        self.rsi = {instrument.id: Rsi() for instrument in instruments}
        self.ticks = self.buys = self.sells = self.fills = 0

    def on_start(self) -> None:
        for instrument in self.watched:
            self.subscribe_trade_ticks(instrument.id)

    def on_trade_tick(self, tick: TradeTick) -> None:
        self.ticks += 1
        side = self.rsi[tick.instrument_id].update(tick.price.raw)
        if side is None:
            return
        if side == "BUY":
            self.buys += 1
        else:
            self.sells += 1
        if _ORDERS:
            way = OrderSide.BUY if side == "BUY" else OrderSide.SELL
            self.submit_order(self.order_factory.market(tick.instrument_id, way, _ONE))

    if _ORDERS:

        def on_order_filled(self, _event: object) -> None:
            self.fills += 1


def main() -> None:
    started = time.perf_counter()
    engine = BacktestEngine(
        config=BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            run_analysis=False,
            # the checks stay on; only the default limit of 100 orders a second goes
            risk_engine=RiskEngineConfig(max_order_submit_rate="100000000/00:00:01"),
        )
    )
    engine.add_venue(
        _VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(9_000_000_000, USD)],
        base_currency=USD,
        default_leverage=Decimal(100),
        trade_execution=True,
    )
    flat = array("q", Path(os.environ["BENCH_TICKS_FILE"]).read_bytes())
    rows = list(zip(*[iter(flat)] * _FIELDS, strict=True))
    instruments: dict[int, Equity] = {}
    for token in sorted({row[0] for row in rows}):
        symbol = Symbol(str(token))
        cent = Price.from_str("0.01")
        instruments[token] = equity = Equity(
            InstrumentId(symbol, _VENUE), symbol, USD, 2, cent, _ONE, 0, 0
        )
        engine.add_instrument(equity)
    scale = int(FIXED_SCALAR)
    engine.add_data(
        [
            TradeTick.from_raw(
                instruments[token].id,
                price * scale // _UNITS,
                2,
                quantity * scale,
                0,
                AggressorSide.NO_AGGRESSOR,
                TradeId(str(number)),
                time_us * 1000,
                time_us * 1000,
            )
            for number, (token, price, quantity, _, time_us) in enumerate(rows)
        ]
    )
    strategy = Signals(list(instruments.values()))
    engine.add_strategy(strategy)
    loaded = time.perf_counter()
    engine.run()
    done = time.perf_counter()
    report = {
        "ticks": strategy.ticks,
        "buys": strategy.buys,
        "sells": strategy.sells,
        "fills": strategy.fills,
        "load_s": loaded - started,
        "run_s": done - loaded,
        "rss_mb": peak_rss_mb(),
    }
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(report))
    os._exit(0)  # tearing down half a million objects is no part of it


if __name__ == "__main__":
    main()
