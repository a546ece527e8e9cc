"""YAML as data and nothing else: bounded in size, depth and expansion, no key twice, only what JSON can say."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import yaml

from penstock.domain.errors import invalid

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 50
_MAX_VALUES = 100_000  # after aliases have been followed, so that ten lines cannot become a billion values
_TAG = "tag:yaml.org,2002:"
_PLAIN = frozenset(f"{_TAG}{name}" for name in ("null", "bool", "int", "float"))


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
    except yaml.YAMLError as err:
        raise invalid(f"{what} is not YAML: {err}") from None
    except (ValueError, LookupError) as err:  # how PyYAML says that `0x_` or `!!bool x` is none
        raise invalid(f"{what} is not YAML: a value does not fit its type ({err})") from None


def scalar(text: str) -> Any:
    """`text` as YAML reads it where a plain value stands: `3` is a number, `true` a boolean, `` is nothing."""
    loader = _Loader("")
    try:
        return loader.plain(text)
    except (ValueError, yaml.YAMLError):  # looks like a number and is none, or none that JSON has: 0x_, .inf
        return text
    finally:
        loader.dispose()


def _documents(text: str) -> Iterator[Any]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            yield loader.document()
    finally:
        loader.dispose()


def _check(root: yaml.Node) -> None:
    """Walk the document as data would be walked, every alias anew; refuse what is too much, and keys that clash.

    Before anything is constructed: constructing merges mappings (`<<`), after which a key may well stand twice.
    """
    waiting, seen = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if seen > _MAX_VALUES or depth > _MAX_DEPTH:
            raise _refused(f"more than {_MAX_VALUES} values or {_MAX_DEPTH} levels", node)
        if isinstance(node, yaml.MappingNode):
            _check_keys([key for key, _ in node.value])
            waiting += [(part, depth + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(part, depth + 1) for part in node.value]


def _check_keys(keys: Sequence[yaml.Node]) -> None:
    seen: set[str] = set()
    for key in keys:
        if key.tag == f"{_TAG}merge":
            continue
        if key.tag != f"{_TAG}str" or not isinstance(key, yaml.ScalarNode):
            raise _refused("a key is not text (put it in quotes)", key)
        if key.value in seen:
            raise _refused(f"the key {key.value!r} stands twice", key)
        seen.add(key.value)


def _refused(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, without its guesses and with its gaps closed."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def document(self) -> Any:
        """The next document."""
        root = cast(yaml.Node, self.get_node())  # `check_node` said that there is one
        _check(root)
        return self.construct_document(root)  # pyright: ignore[reportUnknownMemberType]

    def plain(self, text: str) -> Any:
        """`text` as it reads where a plain value stands."""
        tag = str(self.resolve(yaml.ScalarNode, text, (True, False)))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        node = yaml.ScalarNode(tag, text)
        return self.construct_object(node) if tag in _PLAIN else text  # pyright: ignore[reportUnknownMemberType]

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:  # composing is recursive: this comes before Python's own limit
            raise yaml.MarkedYAMLError(problem=f"more than {_MAX_DEPTH} levels", problem_mark=self.get_mark())
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refuse(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    raise _refused(f"the tag {node.tag} is not for these files", node)


def _finite(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    value = loader.construct_yaml_float(node)
    if not math.isfinite(value):
        raise _refused(f"{node.value} is not a number that JSON has", node)
    return value


def _as_text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return loader.construct_scalar(node)


for _name in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"{_TAG}{_name}", _refuse)
_Loader.add_constructor(f"{_TAG}float", _finite)
# Dates stay as they are written: Azure's fields and JSON know only text.
_Loader.add_constructor(f"{_TAG}timestamp", _as_text)
