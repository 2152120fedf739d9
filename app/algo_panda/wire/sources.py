"""Where schema ids come from: the schema files, or a registry."""

from dataclasses import dataclass
from typing import Protocol

from algo_panda.wire.catalogue import Catalogue
from algo_panda.wire.compatibility import Schema


class SchemaSource(Protocol):
    """Gives ids to schemas, and schemas to ids."""

    def writer_id(self, topic: str, /) -> int:
        """The id to write values of the topic declared as ``topic`` with.

        Raises:
            SchemaError: there is none.
        """
        ...

    def schema(self, schema_id: int, /) -> Schema | None:
        """The schema that ``schema_id`` stands for; None where nobody knows it.

        Raises:
            SchemaError: the one who would know cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class CatalogueSource:
    """Ids as the index of the schema files has them."""

    catalogue: Catalogue

    def writer_id(self, topic: str, /) -> int:
        """The id of the newest version."""
        return self.catalogue.newest(topic).id

    def schema(self, schema_id: int, /) -> Schema | None:
        """The schema with that id in the index."""
        version = self.catalogue.by_id.get(schema_id)
        return None if version is None else version.schema
