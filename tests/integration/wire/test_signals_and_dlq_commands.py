"""``panda signals tail`` and ``panda dlq`` on a real broker."""

import contextlib
import json
import os
import pty
import signal as signal_numbers
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from typer.testing import CliRunner

from algo_panda.cli.main import app
from algo_panda.domain.errors import ConfigurationError, KafkaError
from algo_panda.domain.market import MarketTick
from algo_panda.domain.signals import TradingSignal
from algo_panda.kafka.admin import end_offsets, start_offsets
from algo_panda.kafka.admin_calls import create_topics, delete_topics
from algo_panda.kafka.clients import KafkaConnection, consumer_config, producer_config
from algo_panda.kafka.reading import Ends, records
from algo_panda.kafka.replay_ledger import LedgerTakenOverError, ReplayLedger, ReplayState
from algo_panda.wire.codecs import load_codecs
from algo_panda.wire.dead_letter import DeadLetter
from algo_panda.wire.errors import InvalidPriceError, TooShortError, WireError
from tests.unit.fakes import values

pytestmark = pytest.mark.broker

PANDA = "from algo_panda.cli.main import main; main()"
CODECS = load_codecs()
MOMENT = datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
Header = tuple[str, bytes | None]


def tick(token: int, price: str = "184.32") -> MarketTick:
    return MarketTick.of(instrument_token=token, event_time=MOMENT, last_price=price)


def signal(offset: int, *, strategy_id: str = "abc-1", token: int = 1) -> TradingSignal:
    return values.signal(
        signal_id=f"s-{offset}",
        strategy_id=strategy_id,
        instrument_token=token,
        tick_offset=offset,
        event_time=MOMENT,
    )


class Broker:
    """Topics of one test, and what is on them."""

    def __init__(self, connection: KafkaConnection, admin: AdminClient, prefix: str) -> None:
        self.connection = connection
        self.admin = admin
        self.prefix = prefix
        self._producer = Producer(producer_config(connection))

    def create(self, *names: str, partitions: int = 1) -> None:
        create_topics(self.admin, [NewTopic(self.prefix + n, partitions, 1) for n in names])

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = b"1",
        headers: Sequence[Header] = (),
        timestamp: int = 0,
    ) -> None:
        self._producer.produce(
            self.prefix + topic, value, key, headers=list(headers), timestamp=timestamp
        )
        assert self._producer.flush(30) == 0

    def bury(
        self,
        value: bytes | None,
        *,
        key: bytes | None = b"1",
        headers: Sequence[Header] = (),
        error: WireError | None = None,
        source: str = "ticks",
        offset: int = 7,
        timestamp: int = 0,
    ) -> None:
        """Put a dead letter of ``ticks`` on its topic."""
        letter = DeadLetter.of(
            error or TooShortError("the value has 4 bytes"),
            topic=self.prefix + source,
            partition=0,
            offset=offset,
            timestamp_ms=1_381_152_601_000,
            key=key,
            value=value,
            headers=headers,
            app_version="0.1.0",
        )
        self.send("ticks.dlq", value, key, letter.to_headers(), timestamp)

    def read(self, topic: str) -> list[tuple[bytes | None, bytes | None, list[Header]]]:
        name = self.prefix + topic
        ends = Ends(end_offsets(self.admin, [name]))
        found = records(self.connection, start_offsets(self.admin, [name]), ends)
        return [(m.key(), m.value(), m.headers() or []) for m in found]

    def ledger(self) -> ReplayLedger:
        return ReplayLedger(self.connection, f"{self.prefix}panda-dlq-replay")


@pytest.fixture
def broker(
    kafka: Any,
    kafka_admin: AdminClient,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Broker:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PANDA_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers)
    monkeypatch.setenv("PANDA_TOPIC_PREFIX", topic_prefix)
    return Broker(kafka.connection, kafka_admin, topic_prefix)


@pytest.fixture
def dead_letters(broker: Broker) -> Broker:
    broker.create("ticks", "ticks.dlq")
    return broker


def panda(*arguments: str, keyboard: str | None = None) -> Result:
    result = CliRunner().invoke(app, arguments, input=keyboard)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def json_lines(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0
    return [json.loads(text) for text in result.stdout.splitlines()]


TAIL = ("signals", "tail", "--from-beginning", "--until-end")


def test_tail_prints_each_signal_as_one_json_object(broker: Broker):
    broker.create("signals")
    for number in range(3):
        broker.send("signals", CODECS.signals.encode(signal(number)))
    lines = json_lines(panda(*TAIL, "--json"))
    assert [line["signal_id"] for line in lines] == ["s-0", "s-1", "s-2"]
    assert lines[0]["price"] == "100.5"
    assert lines[0]["event_time"] == "2013-10-07T13:30:00Z"
    assert lines[0]["tick_offset"] == 0


def test_tail_prints_lines_for_people(broker: Broker):
    broker.create("ticks", partitions=3)
    for token in (1, 2, 3):
        broker.send("ticks", CODECS.ticks.encode(tick(token)), b"%d" % token)
    lines = panda(*TAIL, "--topic", "ticks").stdout.splitlines()
    assert sorted(lines) == [
        f"2013-10-07T13:30:00Z {token} 184.32 quantity 0" for token in (1, 2, 3)
    ]


def test_tail_without_from_beginning_starts_at_the_end(broker: Broker):
    broker.create("signals")
    broker.send("signals", CODECS.signals.encode(signal(0)))
    assert panda("signals", "tail", "--until-end").stdout == ""


def test_tail_shows_only_what_was_asked_for(broker: Broker):
    broker.create("signals")
    for said in (
        signal(0),
        signal(1, strategy_id="abd-2"),
        signal(2, token=2),
        signal(3, strategy_id="xyz"),
    ):
        broker.send("signals", CODECS.signals.encode(said))

    def shown(*options: str) -> list[str]:
        return [line["signal_id"] for line in json_lines(panda(*TAIL, "--json", *options))]

    assert shown("--strategy", "ab") == ["s-0", "s-1", "s-2"]
    assert shown("--strategy", "abc-1") == ["s-0", "s-2"]
    assert shown("--instrument", "1") == ["s-0", "s-1", "s-3"]
    assert shown("--strategy", "abc-1", "--instrument", "2") == ["s-2"]


@pytest.mark.parametrize(
    "options", [("ticks", "--strategy", "x"), ("control", "--instrument", "1")]
)
def test_tail_refuses_a_filter_that_the_topic_has_no_field_for(options: Sequence[str]):
    with pytest.raises(ConfigurationError, match=f"records on {options[0]} are of no"):
        panda("signals", "tail", "--topic", *options)


def test_tail_names_what_it_cannot_read_and_goes_on(broker: Broker):
    broker.create("signals")
    broker.send("signals", b"junk")
    broker.send("signals", CODECS.signals.encode(signal(1)))
    result = panda(*TAIL, "--json")
    assert [line["signal_id"] for line in json_lines(result)] == ["s-1"]
    assert f"{broker.prefix}signals[0] offset 0 cannot be read" in result.stderr
    assert "(TOO_SHORT)" in result.stderr


def test_tail_follows_the_topic_until_it_is_interrupted(broker: Broker):
    broker.create("signals")
    broker.send("signals", CODECS.signals.encode(signal(0)))
    command = [sys.executable, "-c", PANDA, "signals", "tail", "--json", "--from-beginning"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tail:
        try:
            assert tail.stdout is not None
            for number in range(3):
                assert json.loads(tail.stdout.readline())["signal_id"] == f"s-{number}"
                broker.send("signals", CODECS.signals.encode(signal(number + 1)))
            tail.send_signal(signal_numbers.SIGINT)
            _, notices = tail.communicate(timeout=30)
        finally:
            tail.kill()
    assert tail.returncode == 130
    assert "Traceback" not in notices


def test_tail_of_a_topic_that_is_not_there_is_one_line(broker: Broker):
    with pytest.raises(KafkaError, match=r"there is no topic .*; run 'panda topics apply'"):
        panda(*TAIL)


def test_no_broker_is_one_line_and_an_exit_code(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", PANDA, "dlq", "show"],
        env={"PANDA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PATH": ""},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == KafkaError.exit_code
    assert done.stdout == ""
    assert done.stderr.startswith("error: Kafka does not answer at 127.0.0.1:1")
    assert done.stderr.count("\n") == 1


def test_show_says_what_was_wrong_and_where(dead_letters: Broker):
    dead_letters.bury(b"junk")
    dead_letters.bury(None, key=None, error=InvalidPriceError("the price 0 is not above 0"))
    first, second = json_lines(panda("dlq", "show", "--topic", "ticks", "--json"))
    assert first["written_at"].endswith("Z")
    del first["written_at"]
    assert first == {
        "topic": f"{dead_letters.prefix}ticks.dlq",
        "partition": 0,
        "offset": 0,
        "replayed": "no",
        "source_topic": f"{dead_letters.prefix}ticks",
        "source_partition": 0,
        "source_offset": 7,
        "source_time": "2013-10-07T13:30:01Z",
        "code": "TOO_SHORT",
        "message": "the value has 4 bytes",
        "app_version": "0.1.0",
        "key": "MQ==",
        "value": "anVuaw==",
    }
    assert (second["code"], second["key"], second["value"]) == ("INVALID_PRICE", None, None)
    table = panda("dlq", "show", "--topic", "ticks")
    assert "INVALID_PRICE" in table.stdout
    assert "2 dead letters" in table.stderr


def test_show_keeps_the_newest_in_the_table(dead_letters: Broker):
    for number in range(3):
        dead_letters.bury(b"junk", error=InvalidPriceError(f"number {number}"))
    result = panda("dlq", "show", "--topic", "ticks", "--limit", "2")
    assert "number 0" not in result.stdout
    assert "number 2" in result.stdout
    assert "3 dead letters, the newest 2 of them shown" in result.stderr


def test_show_looks_at_every_topic_of_dead_letters_by_default(broker: Broker):
    with pytest.raises(KafkaError, match="there is no topic"):
        panda("dlq", "show")
    assert panda("topics", "apply").exit_code == 0
    broker.bury(b"junk")
    assert len(json_lines(panda("dlq", "show", "--json"))) == 1


def test_an_unknown_topic_is_refused_with_the_known_ones(dead_letters: Broker):
    with pytest.raises(
        ConfigurationError, match="no such topic has dead letters; known: ticks, signals"
    ):
        panda("dlq", "show", "--topic", "tocks")


def test_a_record_that_is_no_dead_letter_is_shown_and_never_replayed(dead_letters: Broker):
    dead_letters.send("ticks.dlq", b"stray")
    dead_letters.bury(b"junk", source="signals")
    stray, foreign = json_lines(panda("dlq", "show", "--topic", "ticks", "--json"))
    assert stray["message"].startswith("no dead letter: ")
    assert foreign["message"].endswith(f"it came from {dead_letters.prefix}signals")
    result = panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert result.stderr.count("is left out") == 2
    assert "nothing to replay" in result.stderr
    assert dead_letters.read("ticks") == []


def test_replay_sends_key_value_and_headers_as_received_and_only_once(dead_letters: Broker):
    headers: list[Header] = [("traceparent", b"00-1"), ("empty", None), ("traceparent", b"00-2")]
    dead_letters.bury(b"junk", key=b"408065", headers=headers)
    dead_letters.bury(None, key=None)
    result = panda("dlq", "replay", "--topic", "ticks", "--yes", "--json")
    assert json_lines(result) == [{"found": 2, "replayed": 2, "dry_run": False}]
    assert f"to {dead_letters.prefix}ticks: TOO_SHORT 2" in result.stderr
    expected = [(b"408065", b"junk", headers), (None, None, [])]
    assert dead_letters.read("ticks") == expected
    again = panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert "nothing to replay" in again.stderr
    assert dead_letters.read("ticks") == expected
    assert {line["replayed"] for line in json_lines(panda(*SHOW))} == {"yes"}


SHOW = ("dlq", "show", "--topic", "ticks", "--json")


def test_what_dies_after_a_replay_is_replayed_by_the_next(dead_letters: Broker):
    for value in (b"one", b"two"):
        dead_letters.bury(value)
        panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert [value for _, value, _ in dead_letters.read("ticks")] == [b"one", b"two"]


def test_a_dry_run_sends_nothing_and_notes_nothing(dead_letters: Broker):
    dead_letters.bury(b"junk")
    result = panda("dlq", "replay", "--topic", "ticks", "--dry-run", "--json")
    assert json_lines(result) == [{"found": 1, "replayed": 0, "dry_run": True}]
    assert dead_letters.read("ticks") == []
    assert [line["replayed"] for line in json_lines(panda(*SHOW))] == ["no"]


def test_without_yes_and_without_a_terminal_nothing_is_sent(dead_letters: Broker):
    dead_letters.bury(b"junk")
    with pytest.raises(ConfigurationError, match="add --yes"):
        panda("dlq", "replay", "--topic", "ticks", keyboard="y\n")
    assert dead_letters.read("ticks") == []


@pytest.mark.parametrize(("answer", "sent"), [("y\n", 1), ("n\n", 0)])
def test_a_person_is_asked(
    dead_letters: Broker, monkeypatch: pytest.MonkeyPatch, answer: str, sent: int
):
    dead_letters.bury(b"junk")
    monkeypatch.setattr("algo_panda.cli.dlq._somebody_is_there", lambda: True)
    result = panda("dlq", "replay", "--topic", "ticks", keyboard=answer)
    assert "Send these 1 records?" in result.stderr
    assert len(dead_letters.read("ticks")) == sent


def test_single_letters_are_replayed_by_offset_and_left_out_afterwards(dead_letters: Broker):
    for value in (b"v-0", b"v-1", b"v-2", b"v-3"):
        dead_letters.bury(value)

    def values() -> list[bytes | None]:
        return [value for _, value, _ in dead_letters.read("ticks")]

    one = ("dlq", "replay", "--topic", "ticks", "--yes", "--offset")
    panda(*one, "2", "--offset", "1")
    assert values() == [b"v-1", b"v-2"]
    assert "offset 2 was replayed; --again sends it again" in panda(*one, "2").stderr
    assert values() == [b"v-1", b"v-2"]
    panda(*one, "2", "--again")
    assert values() == [b"v-1", b"v-2", b"v-2"]
    panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert values() == [b"v-1", b"v-2", b"v-2", b"v-0", b"v-3"]
    assert "nothing to replay" in panda("dlq", "replay", "--topic", "ticks", "--yes").stderr


def test_an_offset_without_letter_is_refused_before_anything_is_sent(dead_letters: Broker):
    dead_letters.bury(b"junk")
    with pytest.raises(ConfigurationError, match="no dead letter at offset 9 of partition 0"):
        panda("dlq", "replay", "--topic", "ticks", "--offset", "9", "--offset", "0", "--yes")
    with pytest.raises(ConfigurationError, match="needs --topic"):
        panda("dlq", "replay", "--offset", "0", "--yes")
    assert dead_letters.read("ticks") == []


def test_what_a_cut_short_replay_may_have_sent_is_not_sent_unasked(dead_letters: Broker):
    for value in (b"v-0", b"v-1", b"v-2"):
        dead_letters.bury(value)
    ledger = dead_letters.ledger()
    ledger.take_over()
    place = (f"{dead_letters.prefix}ticks.dlq", 0)
    ledger.save(place, ledger.load([place])[place].sending([0, 1]))
    ledger.close()
    result = panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert "2 that may have been replayed before are left out" in result.stderr
    assert [value for _, value, _ in dead_letters.read("ticks")] == [b"v-2"]
    shown = json_lines(panda(*SHOW))
    assert [line["replayed"] for line in shown] == ["perhaps", "perhaps", "yes"]
    panda("dlq", "replay", "--topic", "ticks", "--yes", "--offset", "1", "--again")
    assert [value for _, value, _ in dead_letters.read("ticks")] == [b"v-2", b"v-1"]
    shown = json_lines(panda(*SHOW))
    assert [line["replayed"] for line in shown] == ["perhaps", "yes", "yes"]


def test_letters_older_than_the_broker_s_memory_of_replays_are_not_sent_unasked(
    dead_letters: Broker,
):
    old = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
    dead_letters.bury(b"old", timestamp=old)
    dead_letters.bury(b"new")
    panda("dlq", "replay", "--topic", "ticks", "--yes", "--offset", "1")
    for _ in range(2):
        panda("dlq", "replay", "--topic", "ticks", "--yes")
        assert [value for _, value, _ in dead_letters.read("ticks")] == [b"new"]
        shown = json_lines(panda(*SHOW))
        assert [line["replayed"] for line in shown] == ["perhaps", "yes"]


def test_a_replay_in_several_batches_keeps_order_and_count(
    dead_letters: Broker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("algo_panda.cli.dlq_replay.BATCH", 2)
    values = [f"v-{number}".encode() for number in range(5)]
    for value in values:
        dead_letters.bury(value)
    result = panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert "5 dead letters were replayed" in result.stderr
    assert [value for _, value, _ in dead_letters.read("ticks")] == values


def test_a_source_topic_that_is_gone_is_refused_before_anything_is_noted(dead_letters: Broker):
    dead_letters.bury(b"junk")
    delete_topics(dead_letters.admin, [f"{dead_letters.prefix}ticks"])
    with pytest.raises(KafkaError, match=f"there is no topic {dead_letters.prefix}ticks;"):
        panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert [line["replayed"] for line in json_lines(panda(*SHOW))] == ["no"]


def wait_at_the_question(dead_letters: Broker, *arguments: str) -> tuple[Any, int]:
    """Start a replay in a terminal of its own, and wait until it asks."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", PANDA, "dlq", "replay", "--topic", "ticks", *arguments],
        stdin=end,
        stdout=end,
        stderr=end,
    )
    os.close(end)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(terminal, 4096)
    return process, terminal


def rest(terminal: int) -> str:
    """What a process that ended has left on its terminal."""
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    return " ".join(shown.decode().split())


@pytest.mark.parametrize("other", [(), ("--offset", "2")], ids=["all", "one"])
def test_what_another_replays_while_the_question_is_open_is_not_sent_twice(
    dead_letters: Broker, other: tuple[str, ...]
):
    for value in (b"v-0", b"v-1", b"v-2"):
        dead_letters.bury(value)
    process, terminal = wait_at_the_question(dead_letters)
    panda("dlq", "replay", "--topic", "ticks", "--yes", *other)
    sent = [value for _, value, _ in dead_letters.read("ticks")]
    assert sent == ([b"v-2"] if other else [b"v-0", b"v-1", b"v-2"])
    os.write(terminal, b"y\n")
    said = rest(terminal)
    assert process.wait(60) == 4, said
    assert "this one sends nothing; run it again" in said
    panda("dlq", "replay", "--topic", "ticks", "--yes")
    sent = [value for _, value, _ in dead_letters.read("ticks")]
    assert sorted(sent) == [b"v-0", b"v-1", b"v-2"]
    assert [line["replayed"] for line in json_lines(panda(*SHOW))] == ["yes"] * 3


def test_only_the_last_ledger_that_took_over_notes_anything(dead_letters: Broker):
    place = (f"{dead_letters.prefix}ticks.dlq", 0)
    with closing(dead_letters.ledger()) as former, closing(dead_letters.ledger()) as latter:
        former.take_over()
        former.save(place, ReplayState().sending([4]))
        latter.take_over()
        known = latter.load([place])[place]
        for _ in range(2):
            with pytest.raises(LedgerTakenOverError):
                former.save(place, ReplayState().sent([1]))
        assert latter.load([place])[place] == known == ReplayState().sending([4])
        latter.save(place, known.sent([4], all_below=5))
        assert former.load([place])[place] == ReplayState(next_offset=5, known=True)


def test_a_note_that_was_left_open_keeps_no_replay_from_its_work(dead_letters: Broker):
    """As by a command that was killed in the middle of writing it."""
    dead_letters.bury(b"v-0")
    place = (f"{dead_letters.prefix}ticks.dlq", 0)
    group = f"{dead_letters.prefix}panda-dlq-replay"
    killed = Producer(
        producer_config(
            dead_letters.connection, transactional_id=group, transaction_timeout_ms=10_000
        )
    )
    killed.init_transactions(30)
    killed.begin_transaction()
    owner = Consumer(consumer_config(dead_letters.connection, group))
    killed.send_offsets_to_transaction(
        [TopicPartition(*place, 1)], owner.consumer_group_metadata(), 30
    )
    owner.close()
    panda("dlq", "replay", "--topic", "ticks", "--yes")
    assert [value for _, value, _ in dead_letters.read("ticks")] == [b"v-0"]
