"""Names with several values, as headers, queries and forms have them, in the ways in which scripts read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Value = TypeVar("_Value")


class MultiDict(Generic[_Value]):
    """Values by name; each name stands for its first value where only one is asked for."""

    def __init__(self, pairs: Iterable[tuple[str, _Value]] = ()) -> None:
        self._values: dict[str, list[_Value]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> _Value:
        return self._values[name][0]

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:
        """The first value, passed through `type`; `default` if there is none or `type` raises ValueError."""
        if name not in self._values:
            return default
        try:
            return self[name] if type is None else type(self[name])
        except (ValueError, TypeError):
            return default

    def getlist(self, name: str) -> list[_Value]:
        return list(self._values.get(name, ()))

    def keys(self) -> Iterable[str]:
        return self._values.keys()

    def values(self) -> Iterator[_Value]:
        return (self[name] for name in self._values)

    def items(self, multi: bool = False) -> Iterator[tuple[str, _Value]]:
        """Each name with its first value; with all of them if `multi`."""
        for name, values in self._values.items():
            for value in values if multi else values[:1]:
                yield name, value

    def lists(self) -> Iterator[tuple[str, list[_Value]]]:
        return ((name, list(values)) for name, values in self._values.items())

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        return dict(self.items()) if flat else dict(self.lists())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items(multi=True))!r})"


class Headers:
    """Header lines in their order, found whatever the case of their names. Iterates over pairs."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = ()) -> None:
        self._lines = [(name, str(value)) for name, value in pairs]

    def __getitem__(self, name: str) -> str:
        found = self.getlist(name)
        if not found:
            raise KeyError(name)
        return found[0]

    def __setitem__(self, name: str, value: Any) -> None:
        self.remove(name)
        self.add(name, value)

    def __delitem__(self, name: str) -> None:
        self.remove(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getlist(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(list(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, name: str, default: Any = None, type: Any = None) -> Any:
        """The first value, passed through `type`; `default` if there is none or `type` raises ValueError."""
        found = self.getlist(name)
        if not found:
            return default
        try:
            return found[0] if type is None else type(found[0])
        except ValueError:
            return default

    def getlist(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for known, value in self._lines if known.lower() == wanted]

    get_all = getlist

    def keys(self) -> list[str]:
        return [name for name, _ in self._lines]

    def values(self) -> list[str]:
        return [value for _, value in self._lines]

    def items(self) -> list[tuple[str, str]]:
        return list(self._lines)

    def add(self, name: str, value: Any) -> None:
        self._lines.append((name, str(value)))

    add_header = add

    def set(self, name: str, value: Any) -> None:
        self[name] = value

    def setdefault(self, name: str, value: Any) -> str:
        if name not in self:
            self.add(name, value)
        return self[name]

    def remove(self, name: str) -> None:
        wanted = name.lower()
        self._lines = [(known, value) for known, value in self._lines if known.lower() != wanted]

    def pop(self, name: str, default: Any = None) -> Any:
        value = self.get(name, default)
        self.remove(name)
        return value

    def extend(self, more: Any) -> None:
        for name, value in more.items() if hasattr(more, "items") else more:
            self.add(name, value)

    def update(self, more: Any) -> None:
        for name, value in more.items() if hasattr(more, "items") else more:
            self[name] = value

    def __repr__(self) -> str:
        return f"Headers({self._lines!r})"
