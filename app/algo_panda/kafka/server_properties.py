"""The configuration of the embedded broker, as Kafka's ``server.properties``."""

from collections.abc import Mapping

from algo_panda.kafka.ports import LOOPBACK

TOPICS_DIR = "topics"


def server_properties(
    port: int, controller_port: int, overrides: Mapping[str, str] | None = None
) -> str:
    """Write the configuration of one broker that is its own controller.

    It keeps topics and metadata in ``TOPICS_DIR``, relative to where it is started: a path of the
    user's could hold commas or letters that this format has no room for.

    Args:
        port: Where clients reach it, on the loopback interface only.
        controller_port: Where its KRaft controller listens, likewise.
        overrides: Properties to add, or to use instead of the ones here.
    """
    settings: dict[str, str | int] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"BROKER://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controller_port}",
        "advertised.listeners": f"BROKER://{LOOPBACK}:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        # Not controller.quorum.voters: with these, the ports may differ from one start to the next.
        "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
        "log.dirs": TOPICS_DIR,
        # A topic that is not declared is a mistake to hear about.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # Workers of one person come one by one: waiting for more of them only delays the first.
        "group.initial.rebalance.delay.ms": 0,
        # PANDA_KAFKA_SESSION_TIMEOUT_SECONDS may be as low as this; Kafka's own limit is 6 s.
        "group.min.session.timeout.ms": 1000,
        # Topics say what they retain; nothing is lost by a default, nor offsets over a holiday.
        "log.retention.ms": -1,
        "offsets.retention.minutes": 60 * 24 * 365,
        # The default of 128 MB would be a quarter of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        **(overrides or {}),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
