"""The language of rules that span columns: `age >= 18 and (country in ["DE", "FR"] or visa is not null)`.

Python's grammar is borrowed, its evaluation is not: a text is parsed, each node is looked up in a short list of what
is allowed, and closures over plain values are made. Size and depth are bounded, and so are the values that can come
up: arithmetic is for numbers alone, and nothing can be repeated, formatted or called but `len`, `abs` and `column`.

Null (and NaN) is unknown, as in SQL: what is computed from it is unknown, and a rule that comes out unknown holds.
What cannot be computed (text compared with a number, a division by zero) makes the rule fail for that row.
"""

from __future__ import annotations

import ast
import operator
from typing import Any, Callable, NamedTuple

LONGEST = 1000  # characters
_DEEPEST = 24
_MOST_NODES = 300
_LARGEST = 1 << 128  # whole numbers beyond are not computed with

Row = Any  # a sequence of the values of `Expression.names`, in their order
Evaluate = Callable[[Any], Any]


class ExpressionError(ValueError):
    """The text is no expression of this language; the message says where it leaves it."""


class Expression(NamedTuple):
    """`violated` takes the values of the columns `names` in one row; it never raises."""

    names: tuple[str, ...]
    violated: Callable[[Row], bool]


def parse_expression(text: str) -> Expression:
    """The expression that `text` spells; raises `ExpressionError`."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression has {len(text)} characters; at most {LONGEST} are taken")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ExpressionError(f"{_short(text)!r} is not an expression: {_said(error)}") from None
    compiler = _Compiler()
    evaluate = compiler.compiled(tree.body, 0)
    if not compiler.names:
        raise ExpressionError(f"{_short(text)!r} names no column")
    return Expression(tuple(compiler.names), _violation_of(evaluate))


def _violation_of(evaluate: Evaluate) -> Callable[[Row], bool]:
    def violated(row: Row) -> bool:
        try:
            result = evaluate(row)
        except (TypeError, ValueError, ArithmeticError):
            return True
        return result is not None and not result

    return violated


class _Compiler:
    """Makes closures of nodes; `names` are the columns in the order in which they come up."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}
        self._nodes = 0

    def compiled(self, node: ast.AST, depth: int) -> Evaluate:
        self._nodes += 1
        if depth > _DEEPEST or self._nodes > _MOST_NODES:
            raise ExpressionError(f"the expression is too large: at most {_MOST_NODES} parts, {_DEEPEST} deep")
        make = _MAKERS.get(type(node))
        if make is None:
            raise ExpressionError(f"{type(node).__name__} is not allowed in expressions{_place(node)}")
        return make(self, node, depth + 1)

    def column(self, name: str) -> Evaluate:
        at = self.names.setdefault(name, len(self.names))

        def value(row: Row) -> Any:
            found = row[at]
            return None if found != found else found  # noqa: PLR0124 - NaN alone differs from itself

        return value


def _name(compiler: _Compiler, node: Any, _depth: int) -> Evaluate:
    if node.id in _WORDS:
        value = _WORDS[node.id]
        return lambda _row: value
    return compiler.column(node.id)


def _constant(_compiler: _Compiler, node: Any, _depth: int) -> Evaluate:
    value = _plain(node)
    return lambda _row: value


def _both(compiler: _Compiler, node: Any, depth: int) -> Evaluate:
    parts = [compiler.compiled(each, depth) for each in node.values]
    deciding = isinstance(node.op, ast.Or)  # the value that settles the matter, whatever is unknown

    def value(row: Row) -> Any:
        unknown = False
        for part in parts:
            found = part(row)
            if found is None:
                unknown = True
            elif bool(found) is deciding:
                return deciding
        return None if unknown else not deciding

    return value


def _unary(compiler: _Compiler, node: Any, depth: int) -> Evaluate:
    inner = compiler.compiled(node.operand, depth)
    if isinstance(node.op, ast.Not):
        return lambda row: None if (found := inner(row)) is None else not found
    if isinstance(node.op, ast.USub):
        return lambda row: None if (found := inner(row)) is None else -_number(found)
    if isinstance(node.op, ast.UAdd):
        return lambda row: None if (found := inner(row)) is None else _number(found)
    raise ExpressionError(f"{type(node.op).__name__} is not allowed in expressions{_place(node)}")


def _arithmetic(compiler: _Compiler, node: Any, depth: int) -> Evaluate:
    operation = _OPERATIONS.get(node.op.__class__)
    if operation is None:
        raise ExpressionError(f"{type(node.op).__name__} is not allowed in expressions; use + - * / %{_place(node)}")
    left, right = compiler.compiled(node.left, depth), compiler.compiled(node.right, depth)

    def value(row: Row) -> Any:
        first, second = left(row), right(row)
        return None if first is None or second is None else operation(_number(first), _number(second))

    return value


def _comparison(compiler: _Compiler, node: Any, depth: int) -> Evaluate:
    """`a < b <= c` is `a < b and b <= c`."""
    values = [node.left, *node.comparators]
    pairs = [_compared(compiler, values[at], op, values[at + 1], depth) for at, op in enumerate(node.ops)]
    if len(pairs) == 1:
        return pairs[0]

    def value(row: Row) -> Any:
        found = [pair(row) for pair in pairs]
        return False if False in found else None if None in found else True

    return value


def _compared(compiler: _Compiler, left: Any, op: ast.cmpop, right: Any, depth: int) -> Evaluate:
    first = compiler.compiled(left, depth)
    if isinstance(op, (ast.Is, ast.IsNot)):
        if not _is_null(right):
            raise ExpressionError(f"`is` is for null alone: write `is null` or `is not null`{_place(right)}")
        wanted = isinstance(op, ast.Is)
        return lambda row: (first(row) is None) is wanted
    if isinstance(op, (ast.In, ast.NotIn)):
        members, absent = _members(right), isinstance(op, ast.NotIn)
        return lambda row: None if (found := first(row)) is None else (_key(found) in members) is not absent
    compare, second = _COMPARISONS[type(op)], compiler.compiled(right, depth)

    def value(row: Row) -> Any:
        one, other = first(row), second(row)
        return None if one is None or other is None else compare(one, other)

    return value


def _call(compiler: _Compiler, node: Any, depth: int) -> Evaluate:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in ("len", "abs", "column") or len(node.args) != 1 or node.keywords:
        raise ExpressionError(f"only len(x), abs(x) and column('name') can be called{_place(node)}")
    if name == "column":
        label = node.args[0]
        if not (isinstance(label, ast.Constant) and isinstance(label.value, str)):
            raise ExpressionError(f"column() takes a name in quotes{_place(node)}")
        return compiler.column(label.value)
    inner = compiler.compiled(node.args[0], depth)
    function = _length if name == "len" else _absolute
    return lambda row: None if (found := inner(row)) is None else function(found)


def _members(node: Any) -> frozenset[Any]:
    if not isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        raise ExpressionError(f"`in` takes a list of values, such as [1, 2]{_place(node)}")
    if len(node.elts) > _MOST_NODES:
        raise ExpressionError(f"a list has at most {_MOST_NODES} values{_place(node)}")
    return frozenset(_key(_plain(each)) for each in node.elts)


def _plain(node: Any) -> Any:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_numeral(node.operand)
    if isinstance(node, ast.Name) and node.id in _WORDS:
        return _WORDS[node.id]
    value = getattr(node, "value", ...)
    if not isinstance(node, ast.Constant) or not (value is None or isinstance(value, (bool, int, float, str))):
        raise ExpressionError(f"only numbers, texts, true, false and null are values{_place(node)}")
    return value


def _numeral(node: Any) -> Any:
    value = _plain(node)
    try:
        return _number(value)
    except (TypeError, ValueError):
        raise ExpressionError(f"a minus sign goes before a number that is not too large{_place(node)}") from None


def _key(value: Any) -> Any:
    # True is no 1 here, nor is a list anything that could be looked up.
    if isinstance(value, (list, dict)):
        raise TypeError
    return (bool, value) if isinstance(value, bool) else value


def _number(value: Any) -> Any:
    """Numbers alone: Python's `*` and `%` would repeat and format texts."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        raise ValueError
    return value


def _length(value: Any) -> int:
    if not isinstance(value, (str, list)):
        raise TypeError
    return len(value)  # pyright: ignore[reportUnknownArgumentType]


def _absolute(value: Any) -> Any:
    return abs(_number(value))


def _is_null(node: Any) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or (isinstance(node, ast.Name) and node.id == "null")


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(first: Any, second: Any) -> bool:
        if isinstance(first, (list, dict, bool)) or isinstance(second, (list, dict, bool)):
            raise TypeError
        return bool(compare(first, second))

    return ordered


def _equal(first: Any, second: Any) -> bool:
    return isinstance(first, bool) is isinstance(second, bool) and bool(first == second)


def _place(node: Any) -> str:
    at = getattr(node, "col_offset", None)
    return "" if at is None else f" (at character {at + 1})"


def _said(error: BaseException) -> str:
    return getattr(error, "msg", None) or str(error) or "it is nested too deeply"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


_WORDS = {"null": None, "true": True, "false": False}
_OPERATIONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda first, second: first / second,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Lt: _ordered(operator.lt),
    ast.LtE: _ordered(operator.le),
    ast.Gt: _ordered(operator.gt),
    ast.GtE: _ordered(operator.ge),
    ast.Eq: _equal,
    ast.NotEq: lambda first, second: not _equal(first, second),
}
_MAKERS: dict[type, Callable[[_Compiler, Any, int], Evaluate]] = {
    ast.Name: _name,
    ast.Constant: _constant,
    ast.BoolOp: _both,
    ast.UnaryOp: _unary,
    ast.BinOp: _arithmetic,
    ast.Compare: _comparison,
    ast.Call: _call,
}
