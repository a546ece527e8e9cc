"""YAML as data and nothing else: bounded in size, depth and expansion, no key twice, only what JSON can say."""

from collections.abc import Iterator
from typing import Any

import yaml

from penstock.domain.errors import invalid

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 50
_MAX_VALUES = 100_000  # after aliases have been followed, so that ten lines cannot become a billion values
_PLAIN = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))


def read_documents(text: bytes, what: str) -> list[Any]:
    """The documents of a YAML file, empty ones left out; raises `invalid` naming `what`, line and column."""
    if len(text) > MAX_BYTES:
        raise invalid(f"{what} has {len(text)} bytes: YAML files may have {MAX_BYTES}")
    try:
        return [document for document in _documents(text.decode("utf-8-sig")) if document is not None]
    except UnicodeDecodeError as err:
        raise invalid(f"{what} is not UTF-8 text (byte {err.start})") from None
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise invalid(f"{what}{place}: {err.problem or err.context}") from None
    except (yaml.YAMLError, ValueError) as err:
        raise invalid(f"{what} is not YAML: {err}") from None


def scalar(text: str) -> Any:
    """`text` as YAML reads it where a plain value stands: `3` is a number, `true` a boolean, `` is nothing."""
    loader = _Loader("")
    try:
        tag: str = loader.resolve(yaml.ScalarNode, text, (True, False))
        value: Any = loader.construct_object(yaml.ScalarNode(tag, text)) if tag in _PLAIN else text
    except ValueError:  # looks like a number and is none: 0x_
        return text
    finally:
        loader.dispose()
    return value


def _documents(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            _check_size(node)
            yield loader.construct_document(node)
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Walk the document as data would be walked, every alias anew, and stop where it is too much."""
    waiting, seen = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > _MAX_VALUES or depth > _MAX_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"more than {_MAX_VALUES} values or {_MAX_DEPTH} levels", problem_mark=node.start_mark
            )
        if isinstance(node, yaml.MappingNode):
            waiting += [(part, depth + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in node.value]


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without its guesses and with its gaps closed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:  # composing is recursive: this comes before Python's own limit
            raise yaml.MarkedYAMLError(problem=f"more than {_MAX_DEPTH} levels", problem_mark=self.get_mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[Any] = set()
        for key, _ in node.value:
            value = self.construct_object(key, deep=True) if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(value, str):
                raise yaml.MarkedYAMLError(
                    problem="a key is not text (put it in quotes)", problem_mark=key.start_mark
                )
            if value in keys:
                raise yaml.MarkedYAMLError(problem=f"the key {value!r} stands twice", problem_mark=key.start_mark)
            keys.add(value)
        return super().construct_mapping(node, deep)


def _refuse(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    raise yaml.MarkedYAMLError(problem=f"the tag {node.tag} is not for these files", problem_mark=node.start_mark)


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return loader.construct_scalar(node)


for _name in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_name}", _refuse)
# Dates stay as they are written: Azure's fields and JSON know only text.
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
