"""Which of the exchanges on tape become golden requests: each once, and as different ones as there are. Pure."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from penstock.domain.golden import MOST_BODY_BYTES, Expectation, GoldenRequest, Shape
from penstock.online.golden_comparison import value_of
from penstock.telemetry.tape import Exchange

REDACTED = "redacted"
_FAILED = 500  # statuses from here on are the model's failures, which nobody wants to keep
_FEW = 20  # different answers, of which each is a group of its own
_DEEPEST = 20  # levels that are told apart


def select(
    exchanges: Iterable[Exchange], count: int, redact: Collection[str] = ()
) -> tuple[int, Sequence[GoldenRequest]]:
    """How many different requests could be kept, and at most `count` of them: one of each kind in turn.

    Kinds are told apart by status, form of the request, and answer; where there are many answers, by their form only.
    Of equal requests the first counts. Values of fields named in `redact`, at any depth, are replaced by others of the
    same type, in requests and answers alike.
    """
    distinct: dict[str, GoldenRequest] = {}
    for exchange in exchanges:
        golden = _golden(exchange, frozenset(redact))
        if golden is not None:
            distinct.setdefault(_sent(golden), golden)
    answers = {_key(golden.expect.answer) for golden in distinct.values()}
    groups: defaultdict[str, list[GoldenRequest]] = defaultdict(list)
    for golden in distinct.values():
        groups[_kind(golden, by_answer=len(answers) <= _FEW)].append(golden)
    chosen = _in_turn(list(groups.values()), count)
    return len(distinct), [golden.model_copy(update={"name": f"recorded-{at}"}) for at, golden in enumerate(chosen, 1)]


def _golden(exchange: Exchange, redact: frozenset[str]) -> GoldenRequest | None:
    """The exchange as a golden request; None for failures, and for bodies that are no text."""
    if exchange.status >= _FAILED or max(len(exchange.request), len(exchange.answer)) > MOST_BODY_BYTES:
        return None
    sent = _value(exchange.request)
    if sent is None:
        return None
    answer = _redacted(value_of(exchange.answer), redact)
    shape = Shape(type="null") if answer is None else None
    expect = Expectation(status=exchange.status, answer=answer, shape=shape)
    form = {"content_type": exchange.content_type} if exchange.content_type else {}
    try:
        if isinstance(sent, _Text):
            return GoldenRequest(body=sent.text, expect=expect, **form)
        return GoldenRequest(request=_redacted(sent, redact), expect=expect, **form)
    except ValueError:  # a content type that is none
        return None


@dataclass(frozen=True)
class _Text:
    text: str


def _value(body: bytes) -> object:
    """JSON other than `null`, or text; None for anything that is neither."""
    try:
        parsed: object = json.loads(body)
        json.dumps(parsed).encode()
        text = body.decode()
    except (ValueError, RecursionError):
        try:
            return None if b"\0" in body else _Text(body.decode())
        except UnicodeDecodeError:
            return None
    return _Text(text) if parsed is None else parsed


def _redacted(value: object, names: frozenset[str]) -> Any:
    if not names:
        return value
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, object], value)
        return {name: _blank(inner) if name in names else _redacted(inner, names) for name, inner in fields.items()}
    if isinstance(value, list):
        return [_redacted(item, names) for item in cast(list[object], value)]
    return value


def _blank(value: object) -> object:
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return 0
    if isinstance(value, str):
        return REDACTED
    return [_blank(item) for item in cast(list[object], value)] if isinstance(value, list) else {}


def _in_turn(groups: Sequence[Sequence[GoldenRequest]], count: int) -> list[GoldenRequest]:
    """One of each group, the rarest first, then a second of each, and so on; within a group the oldest first."""
    queues = sorted(groups, key=len)
    chosen: list[GoldenRequest] = []
    for turn in range(max(map(len, queues), default=0)):
        chosen += [queue[turn] for queue in queues if len(queue) > turn]
        if len(chosen) >= count:
            break
    return chosen[:count]


def _sent(golden: GoldenRequest) -> str:
    return f"{golden.content_type} {_key(golden.request)} {golden.body}"


def _kind(golden: GoldenRequest, *, by_answer: bool) -> str:
    answer = _key(golden.expect.answer) if by_answer else _form(golden.expect.answer)
    return f"{golden.expect.status} {_form(golden.request)} {golden.body is None} {answer}"


def _key(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _form(value: object, level: int = 0) -> str:
    """Names and types; of a list the forms of its items, each once, and whether it is empty, short or long."""
    if level > _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        fields = cast(Mapping[str, object], value)
        return "{" + ",".join(f"{name}:{_form(fields[name], level + 1)}" for name in sorted(fields)) + "}"
    if isinstance(value, list):
        items = cast(list[object], value)
        return f"[{_size(len(items))}{','.join(sorted(_forms(items, level)))}]"
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def _forms(items: Iterable[object], level: int) -> set[str]:
    return {_form(item, level + 1) for item in items}


def _size(count: int) -> str:
    return "" if count == 0 else "1 " if count == 1 else f"{count.bit_length()}b "
