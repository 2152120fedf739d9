import contextlib
import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algo_panda.domain.errors import ConfigurationError
from algo_panda.kafka.declarations import TopicDeclaration, declared_topics, load_topics
from algo_panda.kafka.topic_file import TopicDeclarationError
from algo_panda.resources import resource_dir
from algo_panda.settings import Settings

DEVELOPMENT = resource_dir("topics") / "topics.yaml"
PRODUCTION = resource_dir("topics") / "production.yaml"

TOPIC = """
  {name}:
    purpose: p
    key: k
    schema: null
    written_by: [w]
    read_by: [r]
    {layout}
"""


PROGRAMS = ("runner", "risk", "router", "paper")


def topic_file(tmp_path: Path, *layouts: tuple[str, str], name: str = "topics.yaml") -> Path:
    path = tmp_path / name
    topics = "".join(TOPIC.format(name=topic, layout=layout) for topic, layout in layouts)
    path.write_text(f"every_topic:\n  replication_factor: 1\ntopics:{topics}")
    return path


@pytest.mark.parametrize("path", [DEVELOPMENT, PRODUCTION])
def test_every_topic_of_the_flow_is_declared_with_what_is_to_be_known_of_it(path: Path) -> None:
    topics = load_topics(path)

    read = {"ticks", "signals", "orders", "paper-orders", "executions", "control"}
    dead_letters = {f"{name}.dlq" for name in read}
    changelogs = {f"{name}-state-changelog" for name in PROGRAMS}
    assert topics.keys() == read | {"rejections", "activations"} | dead_letters | changelogs
    assert all(t.purpose and t.key and t.written_by and t.read_by for t in topics.values())
    assert all("cleanup.policy" in topic.config for topic in topics.values())


@pytest.mark.parametrize("path", [DEVELOPMENT, PRODUCTION])
def test_what_one_worker_reads_together_has_as_many_partitions(path: Path) -> None:
    topics = load_topics(path)

    def count(name: str) -> int:
        return topics[name].partitions

    with_ticks = ("signals", "paper-orders", "executions", "rejections")
    for name in (*with_ticks, "runner-state-changelog", "paper-state-changelog"):
        assert count(name) == count("ticks")
    assert count("risk-state-changelog") == count("signals")
    assert count("router-state-changelog") == count("orders")
    assert count("activations") == count("control") == 1


def test_what_must_be_kept_is_never_compacted_away() -> None:
    topics = load_topics(DEVELOPMENT)

    assert topics["activations"].config["cleanup.policy"] == "delete"
    assert topics["activations"].config["retention.ms"] == "-1"
    assert topics["control"].config["cleanup.policy"] == "compact"
    for name in PROGRAMS:
        config = topics[f"{name}-state-changelog"].config
        assert config["cleanup.policy"] == "compact"
        assert config["segment.ms"] == "60000"
        assert config["min.cleanable.dirty.ratio"] == "0.1"


def test_production_differs_in_replication_and_size_alone() -> None:
    development, production = load_topics(DEVELOPMENT), load_topics(PRODUCTION)

    assert development.keys() == production.keys()
    for name, topic in production.items():
        assert topic.replication_factor == 3
        assert topic.config == {**development[name].config, "min.insync.replicas": "2"}
        assert (topic.key, topic.schema) == (development[name].key, development[name].schema)


def test_every_schema_that_is_named_is_in_schemas() -> None:
    files = resource_dir("schemas").glob("*.avsc")
    records = {json.loads(path.read_text())["name"] for path in files}

    named = {topic.schema for topic in load_topics(DEVELOPMENT).values() if topic.schema}

    assert named <= records


def test_the_prefix_stands_before_the_name_on_the_broker() -> None:
    topics = declared_topics(Settings(topic_prefix="eu-"))

    assert topics["ticks.dlq"].on_broker == "eu-ticks.dlq"
    assert topics["ticks.dlq"].name == "ticks.dlq"


def test_a_file_of_ones_own_is_used_where_it_is_set(tmp_path: Path) -> None:
    path = topic_file(tmp_path, ("mine", "partitions: 2"))

    assert [*declared_topics(Settings(topics_file=path))] == ["mine"]


def test_copartitioning_is_followed_through_several_topics(tmp_path: Path) -> None:
    path = topic_file(
        tmp_path,
        ("c", "copartitioned_with: b"),
        ("b", "copartitioned_with: a"),
        ("a", "partitions: 7"),
    )

    assert [topic.partitions for topic in load_topics(path).values()] == [7, 7, 7]


@pytest.mark.parametrize(
    ("layout", "problem"),
    [
        ("partitions: 1\n    copartitioned_with: other", "say either partitions or"),
        ("config: {}", "say either partitions or"),
        ("copartitioned_with: nobody", "copartitioned_with names no topic: nobody"),
        ("copartitioned_with: bad", "copartitioned_with goes round in a circle"),
        ("copartitioned_with: back", "copartitioned_with goes round in a circle"),
    ],
)
def test_a_wrong_layout_is_reported_with_its_topic(
    tmp_path: Path, layout: str, problem: str
) -> None:
    path = topic_file(
        tmp_path, ("other", "partitions: 1"), ("bad", layout), ("back", "copartitioned_with: bad")
    )

    with pytest.raises(TopicDeclarationError) as caught:
        load_topics(path)

    where, _, what = str(caught.value).partition(": ")
    lines = path.read_text().splitlines()
    circle = [lines.index(f"  {name}:") + 1 for name in ("bad", "back")]
    assert where in [f"{path}:{line}" for line in circle]
    assert problem in what


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        ("partitions: 1\n    retention: 3", "topics.bad.retention: unknown key retention"),
        ("partitions: 0", "topics.bad.partitions: Input should be greater than or equal to 1"),
        ("partitions: '4'", "topics.bad.partitions: Input should be a valid integer"),
        ("partitions: [", "not YAML: expected the node content, but found '<stream end>'"),
        ("key: again\n    partitions: 1", "'key' is there twice"),
        ("config: {a: [1]}", "topics.bad.config.a: Input should be a valid string"),
    ],
)
def test_an_error_names_file_line_and_key(tmp_path: Path, layout: str, complaint: str) -> None:
    path = topic_file(tmp_path, ("bad", layout))

    with pytest.raises(ConfigurationError) as caught:
        load_topics(path)

    line, _, rest = str(caught.value).removeprefix(f"{path}:").partition(":")
    assert rest.strip() == complaint
    text = path.read_text().splitlines()
    assert int(line) in (len(text), len(text) + 1) or "again" in text[int(line) - 1]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text("topics:\n  ticks:\n    purpose: p\n    partitions: 1\n")

    with pytest.raises(TopicDeclarationError, match=r"topics\.yaml:2: topics\.ticks: key is miss"):
        load_topics(path)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^cannot read .*nowhere\.yaml: .*No such file"):
        load_topics(tmp_path / "nowhere.yaml")


def test_an_overlay_says_only_what_differs(tmp_path: Path) -> None:
    topic_file(tmp_path, ("a", "partitions: 1\n    config: {x: 1, y: true}"))
    overlay = tmp_path / "more.yaml"
    overlay.write_text(
        "base: topics.yaml\n"
        "every_topic: {config: {y: false, z: 0.1}}\n"
        "topics:\n  a: {partitions: 6}\n"
    )

    (topic,) = load_topics(overlay).values()

    assert topic.partitions == 6
    assert topic.replication_factor == 1
    assert topic.config == {"x": "1", "y": "false", "z": "0.1"}


def test_an_overlay_on_an_overlay_is_refused(tmp_path: Path) -> None:
    topic_file(tmp_path, ("a", "partitions: 1"))
    (tmp_path / "one.yaml").write_text("base: topics.yaml\ntopics: {}\n")
    (tmp_path / "two.yaml").write_text("base: one.yaml\ntopics: {}\n")

    with pytest.raises(TopicDeclarationError, match=r"two\.yaml:1: base: "):
        load_topics(tmp_path / "two.yaml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(string.printable, max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["topics", "every_topic", "base", "config", "partitions", "x"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    )
)
def test_no_document_at_all_breaks_the_parser(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    path = tmp_path_factory.mktemp("topics") / "any.yaml"
    path.write_text(json.dumps(document))

    topics: dict[str, TopicDeclaration] = {}
    with contextlib.suppress(ConfigurationError):
        topics = load_topics(path)

    assert all(topic.partitions >= 1 for topic in topics.values())


def test_a_file_that_is_not_there_is_named_once(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"

    with pytest.raises(ConfigurationError) as refused:
        load_topics(path)

    assert str(refused.value) == f"cannot read {path}: No such file or directory"
