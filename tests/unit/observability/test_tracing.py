"""The span around ``process_tick``."""

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from algo_panda.observability.tracing import OpenTelemetryTracer
from tests.unit.fakes.values import TOKEN, config


def test_a_span_says_which_strategy_took_which_tick() -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(exporter, service="panda-test", ratio=1.0)
    strategy = config("talker")

    with tracer.process_tick(strategy, TOKEN, 7):
        pass
    tracer.close()

    (span,) = exporter.get_finished_spans()
    assert span.name == "process_tick"
    assert dict(span.attributes or {}) == {
        "strategy.type": "talker",
        "strategy.id": str(strategy.id),
        "instrument.token": TOKEN,
        "messaging.kafka.message.offset": 7,
    }
    assert span.resource.attributes["service.name"] == "panda-test"


def test_an_exception_is_recorded_on_the_span_and_goes_on() -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(exporter, service="panda-test", ratio=1.0)

    with pytest.raises(RuntimeError, match="boom"), tracer.process_tick(config(), TOKEN, 7):
        raise RuntimeError("boom")
    tracer.close()

    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "RuntimeError"
    assert event.attributes["exception.message"] == "boom"


def test_no_span_is_kept_where_none_is_asked_for() -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetryTracer(exporter, service="panda-test", ratio=0.0)

    with tracer.process_tick(config(), TOKEN, 7):
        pass
    tracer.close()

    assert exporter.get_finished_spans() == ()
