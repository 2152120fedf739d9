"""Codecs of all topics, from the settings."""

from algo_panda.settings import Settings
from algo_panda.wire.codecs import Codecs, load_codecs


def codecs_of(settings: Settings) -> Codecs:
    """Load the codecs of all topics.

    Raises:
        SchemaError: a schema cannot be used, or the registry that is set cannot be asked.
    """
    return load_codecs(
        registry_url=settings.schema_registry_url, topic_prefix=settings.topic_prefix
    )
