"""What Prometheus reads after each thing that telemetry is told."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from algo_panda.domain.market import Irregularity
from algo_panda.domain.trading import ExecutionReport, Order, OrderStatus, Rejection, Side, Stage
from algo_panda.domain.trading import RejectionCode as Code
from algo_panda.observability.catalogue import Catalogue
from algo_panda.observability.hot import HotCounter, HotHistogram
from algo_panda.observability.telemetry import PrometheusTelemetry
from tests.unit.fakes.values import SIGNAL, START, TOKEN, config

Samples = dict[str, float]

ORDER = Order.of(
    client_order_id="c",
    signal_id="s",
    account="A1",
    broker="paper",
    strategy_id="i",
    strategy_type="talker",
    instrument_token=TOKEN,
    side=Side.BUY,
    quantity=1,
    signal_price=Decimal(1),
    reference_price=Decimal(1),
    event_time=START,
    tick_topic_id="t",
    tick_partition=0,
    tick_offset=0,
)
REPORT = ExecutionReport.of(
    execution_id="e",
    client_order_id="c",
    venue_order_id=None,
    signal_id="s",
    account="A1",
    broker="paper",
    strategy_id="i",
    strategy_type="talker",
    instrument_token=TOKEN,
    side=Side.BUY,
    status=OrderStatus.FILLED,
    quantity=1,
    last_quantity=1,
    last_price=Decimal(1),
    cumulative_quantity=1,
    reason=None,
    event_time=START,
)
REJECTION = Rejection(
    rejection_id="r",
    stage=Stage.RISK,
    code=Code.TRADING_HALTED,
    reason="halted",
    signal_id="s",
    strategy_id="i",
    strategy_type="talker",
    instrument_token=TOKEN,
    account="A1",
    broker="paper",
    event_time=START,
    tick_partition=0,
    tick_offset=0,
)
STRATEGY = config("talker", active_brokers=("paper", "zerodha"))


def exposed(registry: CollectorRegistry) -> Samples:
    """Every sample, as ``name{label=value,...}``, but for the times at which they were made."""
    return {
        f"{sample.name}{{{','.join(f'{k}={v}' for k, v in sorted(sample.labels.items()))}}}": (
            sample.value
        )
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            lambda t: t.strategy_registered(STRATEGY, has_model=True),
            {
                "panda_registered_strategies{has_model=true,strategy_type=talker}": 1,
                "panda_active_strategies{broker=paper}": 1,
                "panda_active_strategies{broker=zerodha}": 1,
            },
        ),
        (
            lambda t: t.model_loaded(STRATEGY, loaded=True),
            {"panda_model_loads_total{outcome=loaded,strategy_type=talker}": 1},
        ),
        (
            lambda t: t.model_loaded(STRATEGY, loaded=False),
            {"panda_model_loads_total{outcome=failed,strategy_type=talker}": 1},
        ),
        (
            lambda t: t.tick_timer("talker")(1.5e-6),
            {
                "panda_process_tick_seconds_bucket{le=1e-06,strategy_type=talker}": 0,
                "panda_process_tick_seconds_bucket{le=2e-06,strategy_type=talker}": 1,
                "panda_process_tick_seconds_count{strategy_type=talker}": 1,
                "panda_process_tick_seconds_sum{strategy_type=talker}": 1.5e-6,
            },
        ),
        (
            lambda t: t.signal_emitted(SIGNAL),
            {"panda_signals_total{signal_type=BUY,strategy_type=talker}": 1},
        ),
        (
            lambda t: t.signal_refused(REJECTION),
            {"panda_rejections_total{code=TRADING_HALTED,stage=risk}": 1},
        ),
        (
            lambda t: t.strategy_failed("talker"),
            {"panda_strategy_errors_total{strategy_type=talker}": 1},
        ),
        (lambda t: t.late_tick("talker"), {"panda_late_ticks_total{strategy_type=talker}": 1}),
        (
            lambda t: t.irregular_tick(Irregularity.DUPLICATE, dropped=True),
            {"panda_irregular_ticks_total{kind=duplicate,outcome=dropped}": 1},
        ),
        (
            lambda t: t.irregular_tick(Irregularity.OUT_OF_ORDER, dropped=False),
            {"panda_irregular_ticks_total{kind=out_of_order,outcome=processed}": 1},
        ),
        (lambda t: t.strategy_cold("talker"), {"panda_cold_starts_total{strategy_type=talker}": 1}),
        (
            lambda t: t.snapshot_failed("talker"),
            {"panda_snapshot_failures_total{strategy_type=talker}": 1},
        ),
        (
            lambda t: t.of_recorded_versions().strategy_failed("talker"),
            {"panda_strategy_errors_total{strategy_type=talker}": 1},
        ),
        (
            lambda t: t.dead_letter("ticks", "UNREADABLE"),
            {"panda_dead_letters_total{code=UNREADABLE,topic=ticks}": 1},
        ),
        (lambda t: t.order_approved(ORDER), {"panda_orders_total{broker=paper}": 1}),
        (
            lambda t: t.executed(REPORT),
            {"panda_executions_total{broker=paper,status=FILLED}": 1},
        ),
        (
            lambda t: t.batch_processed("ticks", 3, 500, 0.015),
            {
                "panda_records_processed_total{topic=ticks}": 500,
                "panda_batch_seconds_count{topic=ticks}": 1,
                "panda_batch_seconds_sum{topic=ticks}": 0.015,
            },
        ),
        (
            lambda t: t.checkpointed(3, 0.25, 100),
            {"panda_checkpoint_seconds_count{}": 1, "panda_checkpoint_seconds_sum{}": 0.25},
        ),
        (lambda t: t.assigned(4), {"panda_assigned_partitions{}": 4}),
        (lambda t: t.statuses_pending(2), {"panda_unwritten_strategy_statuses{}": 2}),
        (lambda t: t.restored(3, 100, 0.5), {"panda_restore_seconds{partition=3}": 0.5}),
        (
            lambda t: t.lags({("ticks", 3): 20}),
            {"panda_consumer_lag_records{partition=3,topic=ticks}": 20},
        ),
    ],
)
def test_what_is_told_is_exposed_under_its_name_and_labels(
    told: Callable[[PrometheusTelemetry], None], expected: Samples
) -> None:
    registry = CollectorRegistry()
    telemetry = PrometheusTelemetry(Catalogue(registry))
    before = exposed(registry)

    told(telemetry)

    after = exposed(registry)
    changed = {name for name, value in after.items() if value != before.get(name)}
    assert {name: after.get(name) for name in expected} == expected
    others = {name for name in changed - expected.keys() if "_bucket{" not in name}
    assert others == set()


def test_a_hot_histogram_counts_every_bucket_up_to_its_bound() -> None:
    registry = CollectorRegistry()
    histogram = HotHistogram("took_seconds", "How long.", "kind", (0.1, 1.0))
    registry.register(histogram)
    observe = histogram.observer("a")

    for amount in (0.05, 0.1, 0.5, 7.0):
        observe(amount)
    histogram.observer("b")

    assert exposed(registry) == pytest.approx(
        {
            "took_seconds_bucket{kind=a,le=0.1}": 2,
            "took_seconds_bucket{kind=a,le=1.0}": 3,
            "took_seconds_bucket{kind=a,le=+Inf}": 4,
            "took_seconds_count{kind=a}": 4,
            "took_seconds_sum{kind=a}": 7.65,
            "took_seconds_bucket{kind=b,le=0.1}": 0,
            "took_seconds_bucket{kind=b,le=1.0}": 0,
            "took_seconds_bucket{kind=b,le=+Inf}": 0,
            "took_seconds_count{kind=b}": 0,
            "took_seconds_sum{kind=b}": 0,
        }
    )


def test_a_hot_counter_adds_up_by_all_its_labels() -> None:
    registry = CollectorRegistry()
    counter = HotCounter("panda_seen", "What was seen.", ["topic", "code"])
    registry.register(counter)

    counter.add(("ticks", "A"))
    counter.add(("ticks", "A"), 4)
    counter.add(("ticks", "B"))

    assert exposed(registry) == {
        "panda_seen_total{code=A,topic=ticks}": 5,
        "panda_seen_total{code=B,topic=ticks}": 1,
    }


def test_the_first_refusal_of_a_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    telemetry = PrometheusTelemetry(Catalogue(CollectorRegistry()))
    for refused in (REJECTION, replace(REJECTION, tick_offset=9), REJECTION):
        telemetry.signal_refused(refused)
    (logged,) = caplog.messages
    assert f"risk refuses what strategy {REJECTION.strategy_id}" in logged
    assert f"{REJECTION.code} {REJECTION.reason}" in logged
    telemetry.signal_refused(replace(REJECTION, code=Code.QUANTITY_EXCEEDS_MAXIMUM))
    assert len(caplog.messages) == 2
