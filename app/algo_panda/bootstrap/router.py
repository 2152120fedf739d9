"""Wires the router: orders in, paper orders, rejections and executions out."""

import contextlib
from collections.abc import Mapping

from algo_panda.bootstrap.wiring import Program, Wiring, now_us, time_to_live
from algo_panda.brokers.paper.broker import PaperBroker
from algo_panda.execution.router import OrderRouter
from algo_panda.streaming.control import PinnedStates
from algo_panda.streaming.operator import BatchClock, PartitionOperator, StreamSpec
from algo_panda.streaming.operators.router import RouterOperator
from algo_panda.streaming.state_codec import ROUTER_CHANGELOG, RouterStateCodec
from algo_panda.wire.catalogue import load_catalogue


def _wire(wiring: Wiring, stack: contextlib.ExitStack) -> StreamSpec:
    trading_states, clock = wiring.trading_states(stack), BatchClock(now_us)
    brokers = {"paper": PaperBroker()}
    states = RouterStateCodec(load_catalogue())
    dead_letters = wiring.dead_letters()

    def create(_partition: int, _ids: Mapping[str, str]) -> PartitionOperator:
        pinned = PinnedStates(trading_states)
        return RouterOperator(
            router=OrderRouter(
                brokers=brokers,
                trading_state=pinned.of,
                time_to_live=time_to_live(wiring.settings),
            ),
            orders=wiring.codecs.orders,
            paper_orders=wiring.codecs.paper_orders,
            executions=wiring.codecs.executions,
            rejections=wiring.codecs.rejections,
            states=states,
            paper_orders_topic=wiring.on_broker("paper-orders"),
            executions_topic=wiring.on_broker("executions"),
            rejections_topic=wiring.on_broker("rejections"),
            dead_letters=dead_letters,
            telemetry=wiring.telemetry,
            pin_trading_states=pinned.pin,
            now_us=clock.now_us,
        )

    return wiring.spec(
        "router",
        ("orders",),
        ROUTER_CHANGELOG,
        create,
        trading_states=trading_states,
        begin_batch=clock.begin,
    )


ROUTER = Program(
    topics=(
        "orders",
        "paper-orders",
        "executions",
        "rejections",
        "control",
        "orders.dlq",
        ROUTER_CHANGELOG,
    ),
    wire=_wire,
)
