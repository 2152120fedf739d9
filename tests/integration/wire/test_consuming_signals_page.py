"""The snippets of docs/consuming-signals.md do what the page says."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from algo_panda import SignalType, TradingSignal
from algo_panda.kafka.admin_calls import create_topics
from algo_panda.kafka.clients import producer_config
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.dead_letter import HEADER_NAMES
from algo_panda.wire.errors import UnencodableError, WireError
from algo_panda.wire.json_form import to_json

CHECKOUT = Path(__file__).resolve().parents[3]
PAGE = (CHECKOUT / "docs" / "consuming-signals.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SIGNAL = TradingSignal.of(
    signal_id="0123456789abcdef0123456789abcdef",
    strategy_id="c56a4180-65aa-42ec-a945-5fd21dec0538",
    strategy_type="rules_rsi",
    strategy_version=1,
    model_digest=None,
    instrument_token=408065,
    signal_type=SignalType.BUY,
    confidence=0.7,
    quantity=1,
    price=Decimal("184.32"),
    reasoning="RSI 28.31 below 30",
    event_time=datetime(2013, 10, 7, 13, 30, 1, 123456, tzinfo=UTC),
    tick_price=Decimal("184.31"),
    brokers=("paper",),
    tick_topic_id="abcdefghijklmnopqrstuv",
    tick_partition=3,
    tick_offset=123456,
)


def test_the_page_has_a_consumer_of_ours_and_a_plain_one():
    typed, plain = SNIPPETS
    assert "from algo_panda import SignalConsumer" in typed
    assert not re.search(r"\bapp\b", plain)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("snippet", "price"),
    list(zip(SNIPPETS, ["184.32", "184.32000000"], strict=True)),
    ids=["typed", "plain"],
)
def test_each_snippet_prints_the_signals_on_the_topic(
    snippet: str,
    price: str,
    kafka: Any,
    kafka_admin: AdminClient,
    topic_prefix: str,
    tmp_path: Path,
):
    create_topics(kafka_admin, [NewTopic(f"{topic_prefix}signals", 2, 1)])
    producer = Producer(producer_config(kafka.connection))
    producer.produce(f"{topic_prefix}signals", load_codecs().signals.encode(SIGNAL), b"408065")
    assert producer.flush(30) == 0
    code = (
        snippet.replace("127.0.0.1:19092", kafka.bootstrap_servers)
        .replace('["signals"]', f'["{topic_prefix}signals"]')
        .replace("my-", f"{topic_prefix}my-")
    )
    (tmp_path / "snippet.py").write_text(code)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "snippet.py")],
        cwd=CHECKOUT,
        env={"PANDA_TOPIC_PREFIX": topic_prefix, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"408065 BUY 1 {price}\n"


def test_the_json_on_the_page_is_what_the_command_prints():
    (shown,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert list(json.loads(shown).items()) == list(to_json(SIGNAL).items())


def test_every_field_header_and_code_is_on_the_page():
    named = set(re.findall(r"`([\w.]+)`", PAGE))
    assert set(to_json(SIGNAL)) <= named
    codes = {kind.code for kind in WireError.__subclasses__()}
    assert codes - named - {UnencodableError.code} == set()
    suffixes = {name.removeprefix("panda.dlq") for name in HEADER_NAMES}
    assert {s for s in suffixes if s not in named and f"panda.dlq{s}" not in named} == set()
