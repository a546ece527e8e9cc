"""The generic update quartet of `az`: --set, --add, --remove and --force-string, on plain data."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, cast

import typer

from penstock.domain.errors import invalid

SEPARATOR = "\x1f"  # between the words of one --add or --remove; `words.regrouped` puts it there
_MAX_PARTS = 20


_SetFlag = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Set a field: instance_count=2, tags.a=b.")
]


@dataclass(frozen=True)
class Sets:
    """Flags that set fields of what a file says."""

    sets: _SetFlag = None


@dataclass(frozen=True)
class Edits:
    """Flags that change fields of what is there."""

    sets: _SetFlag = None
    adds: Annotated[
        list[str] | None, typer.Option("--add", metavar="PATH VALUE", help="Add to a list, or KEY=VALUE to a map.")
    ] = None
    removes: Annotated[
        list[str] | None, typer.Option("--remove", metavar="PATH [INDEX]", help="Remove a field or a list's entry.")
    ] = None
    force_string: Annotated[bool, typer.Option("--force-string", help="Values of --set and --add stay text.")] = False


def edited(fields: dict[str, Any], edits: Edits | Sets) -> dict[str, Any]:
    """A copy of `fields` with the edits made: first --set, then --add, then --remove.

    Values are numbers, booleans or nothing where YAML would read them so, JSON where they begin with `{` or `[`,
    else text. Maps on the way are made. Raises `invalid` naming the flag as it was written.
    """
    changed = copy.deepcopy(fields)
    text = isinstance(edits, Edits) and edits.force_string
    for written in edits.sets or ():
        _set(changed, written, text=text)
    if isinstance(edits, Edits):
        for written in edits.adds or ():
            _add(changed, written.split(SEPARATOR), text=text)
        for written in edits.removes or ():
            _remove(changed, written.split(SEPARATOR))
    return changed


def _set(fields: dict[str, Any], written: str, *, text: bool) -> None:
    path, equals, value = written.partition("=")
    if not equals:
        raise invalid(f"--set {written!r} is not understood: write PATH=VALUE, e.g. instance_count=2")
    *way, last = _parts("--set", path)
    _put(_walk(fields, way, f"--set {written}", make=True), last, _value(value, text=text), f"--set {written}")


def _add(fields: dict[str, Any], words: Sequence[str], *, text: bool) -> None:
    flag = f"--add {' '.join(words)}"
    if len(words) < 2:
        raise invalid(f"{flag!r} is not understood: write --add PATH VALUE")
    *way, last = _parts("--add", words[0])
    holder = _walk(fields, way, flag, make=True)
    target = _child(holder, last)
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if isinstance(target, list):
            cast(list[Any], target).append(_value(word, text=text))
        elif equals and (target is None or isinstance(target, dict)):
            target = {**cast(dict[str, Any], target or {}), key: _value(value, text=text)}
            _put(holder, last, target, flag)
        elif target is None:
            target = [_value(word, text=text)]
            _put(holder, last, target, flag)
        else:
            raise invalid(f"{flag!r}: add KEY=VALUE to a map and values to a list; {words[0]!r} is neither or other")


def _remove(fields: dict[str, Any], words: Sequence[str]) -> None:
    flag = f"--remove {' '.join(words)}"
    if len(words) > 2:
        raise invalid(f"{flag!r} is not understood: write --remove PATH, or --remove PATH INDEX")
    *way, last = [*_parts("--remove", words[0]), *words[1:]]
    holder = _walk(fields, way, flag, make=False)
    if isinstance(holder, list):
        cast(list[Any], holder).pop(_index(cast(list[Any], holder), last, flag))
    elif isinstance(holder, dict) and last in holder:
        del holder[last]
    else:
        raise invalid(f"{flag!r}: there is no {words[0]!r} to remove")


def _parts(flag: str, path: str) -> list[str]:
    parts = path.split(".")
    if not all(parts) or len(parts) > _MAX_PARTS:
        raise invalid(f"{flag} {path!r}: a path is names with dots between, e.g. request_settings.request_timeout_ms")
    return parts


def _walk(fields: dict[str, Any], way: Sequence[str], flag: str, *, make: bool) -> Any:
    here: Any = fields
    for part in way:
        below = _child(here, part)
        if below is None and isinstance(here, dict) and make:
            below = {}
            cast(dict[str, Any], here)[part] = below
        if not isinstance(below, (dict, list)):
            raise invalid(f"{flag!r}: {part!r} is not a map or list")
        here = cast(Any, below)
    return here


def _child(holder: Any, part: str) -> Any:
    if isinstance(holder, dict):
        return cast(dict[str, Any], holder).get(part)
    entries = cast(list[Any], holder)
    return entries[int(part)] if part.isdecimal() and int(part) < len(entries) else None


def _put(holder: Any, last: str, value: Any, flag: str) -> None:
    if isinstance(holder, dict):
        holder[last] = value
    else:
        holder[_index(holder, last, flag)] = value


def _index(entries: list[Any], part: str, flag: str) -> int:
    if not part.isdecimal() or len(part) > 9 or int(part) >= len(entries):
        raise invalid(f"{flag!r}: the list has no entry {part!r}; it has {len(entries)}, counted from 0")
    return int(part)


def _value(written: str, *, text: bool) -> Any:
    if text:
        return written
    if written[:1] in ("{", "["):
        try:
            return json.loads(written, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise invalid(f"{written[:80]!r} begins like JSON and is not: mend it, or use --force-string") from None
    from penstock.cli.yaml_text import scalar

    return scalar(written)


def _no_constant(name: str) -> Any:
    raise ValueError(name)
