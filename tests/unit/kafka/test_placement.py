"""Keys are placed as Java's default partitioner places them."""

import pytest

from algo_panda.kafka.placement import partition_of


@pytest.mark.parametrize(
    ("key", "java_hash"),
    [
        # The vectors of Kafka's own test (UtilsTest.testMurmur2).
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
@pytest.mark.parametrize("partitions", [1, 4, 12, 1000])
def test_a_key_belongs_where_java_places_it(key: bytes, java_hash: int, partitions: int) -> None:
    assert partition_of(key, partitions) == (java_hash & 0x7FFFFFFF) % partitions
