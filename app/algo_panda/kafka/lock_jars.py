"""Rewrites ``kafka.lock.toml``: run ``python -m algo_panda.kafka.lock_jars`` for a new version.

The lock has jgo's own format. It names every jar of the embedded broker with its SHA-256, and
no host. Starting a broker never resolves anything: it takes exactly what the lock says.
"""

import tempfile
from pathlib import Path

from jgo.env import LockFile
from jgo.maven import MavenContext, PythonResolver
from jgo.parse import Endpoint

from algo_panda.kafka.jars import LOCK_FILE

# kafka-clients is named although kafka_2.13 needs it anyway: jgo would pick an older one.
# Kafka 4.2 speaks slf4j 1.7, hence log4j-slf4j-impl and not log4j-slf4j2-impl.
ENDPOINT = "+".join(
    (
        "org.apache.kafka:kafka_2.13:4.2.0",
        "org.apache.kafka:kafka-clients:4.2.0",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
        "org.apache.logging.log4j:log4j-core:2.24.3",
    )
)


def main() -> None:
    """Resolve ``ENDPOINT``, download what it needs, and write versions and checksums."""
    with tempfile.TemporaryDirectory() as repository:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(repository))
        wanted = [context.create_dependency(c) for c in Endpoint.parse(ENDPOINT).coordinates]
        inputs, transitive = context.resolver.resolve(wanted)
        needed = [*inputs, *(d for d in transitive if d.scope in ("compile", "runtime"))]
        lock = LockFile.from_resolved_dependencies(needed, environment_name="embedded-kafka")
        lock.dependencies.sort(key=lambda jar: (jar.groupId, jar.artifactId))
        lock.save(LOCK_FILE)


if __name__ == "__main__":
    main()
