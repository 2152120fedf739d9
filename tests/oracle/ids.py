"""The documented formulas of ids and partitions, written anew."""

import base64
import hashlib


def signal_id(strategy_id: str, token: int, topic_id: str, partition: int, offset: int) -> str:
    """Hex of BLAKE2b-128 over all of it, joined by ``|``."""
    text = f"{strategy_id}|{token}|{topic_id}|{partition}|{offset}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def client_order_id(signal: str, account: str) -> str:
    """The first 100 bits of BLAKE2b-120 in base 32: 20 characters."""
    digest = hashlib.blake2b(f"{signal}|{account}".encode(), digest_size=15).digest()
    return base64.b32encode(digest).decode()[:20]


def execution_id(order: str, sequence: int) -> str:
    return f"{order}-{sequence}"


def rejection_id(stage: str, cause: str, account: str | None) -> str:
    """Hex of BLAKE2b-128 over stage, cause and account, joined by ``|``."""
    text = "|".join([stage, cause, account or ""])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key: that of Kafka's own clients, murmur2 of its bytes."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


def _murmur2(data: bytes) -> int:
    mask, factor = 0xFFFFFFFF, 0x5BD1E995
    hashed = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        part = int.from_bytes(data[at : at + 4], "little") * factor & mask
        part = (part ^ part >> 24) * factor & mask
        hashed = (hashed * factor & mask) ^ part
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * factor & mask
    hashed = (hashed ^ hashed >> 13) * factor & mask
    return hashed ^ hashed >> 15
