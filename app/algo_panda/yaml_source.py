"""Reads YAML so that an error can name the line it is on."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from algo_panda.domain.errors import ConfigurationError

YamlPath = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlSource:
    """A parsed file: its data, and the line of every key and list item in it."""

    path: Path
    data: object
    lines: dict[YamlPath, int]

    def where(self, at: YamlPath) -> str:
        """Name the file, the line and the keys of ``at``, or of the nearest value around it."""
        while at and at not in self.lines:
            at = at[:-1]
        keys = f" {'.'.join(str(key) for key in at)}:" if at else ""
        return f"{self.path}:{self.lines.get(at, 1)}:{keys}"


def read_yaml(path: Path) -> YamlSource:
    """Parse one YAML document.

    Raises:
        ConfigurationError: there is no such file, it is not YAML, or a key occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_lines(path, root, ())) if root else {}
        return YamlSource(path=path, data=yaml.safe_load(text), lines=lines)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        raise ConfigurationError(f"{path}: not YAML that can be used: {said}") from error


def _lines(path: Path, node: yaml.Node, at: YamlPath) -> Generator[tuple[YamlPath, int]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in cast("list[tuple[yaml.ScalarNode, yaml.Node]]", node.value):
            line = key.start_mark.line + 1
            if not isinstance(cast("object", key.value), str):
                raise ConfigurationError(f"{path}:{line}: a key is not text")
            if key.value in seen:
                raise ConfigurationError(f"{path}:{line}: {key.value!r} is there twice")
            seen.add(key.value)
            yield (*at, key.value), line
            yield from _lines(path, value, (*at, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(cast("list[Any]", node.value)):
            yield (*at, index), item.start_mark.line + 1
            yield from _lines(path, item, (*at, index))
