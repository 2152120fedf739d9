"""Partition of a key, as every producer must choose it."""

from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that a key belongs to.

    Kafka's default partitioner: the lower 31 bits of the key's murmur2 hash, modulo the number of
    partitions (``org.apache.kafka.clients.producer.internals.BuiltInPartitioner``).
    """
    return (int(murmur2(key)) & 0x7FFFFFFF) % partitions
