"""What a part found out."""

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from benchmarks.tables import Target, targets_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    tables: tuple[Table, ...]
    targets: tuple[Target, ...]
    data: Any
    """All that was measured, for JSON."""
    notes: tuple[str, ...] = field(default=())

    def everything(self, part: str) -> tuple[Table, ...]:
        if not self.targets:
            return self.tables
        return (*self.tables, targets_table(f"{part}: what is asked for", self.targets))
