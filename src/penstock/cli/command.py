"""How a function becomes a command: its flags, its example, its result on stdout, its errors as exit codes."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from penstock.cli.errors import INTERRUPTED, exit_code, notice, report
from penstock.cli.show import Output, Query, Text, plain, rendered
from penstock.domain.errors import PenstockError

AZURE_SCOPE = ("--resource-group/-g=", "--workspace-name/-w=", "--subscription=")

_OUTPUT_HELP = "How to print the result. [default: table on a terminal, else json]"
_OutputFlag = Annotated[Output | None, typer.Option("--output", "-o", help=_OUTPUT_HELP)]
_LongOutputFlag = Annotated[Output | None, typer.Option("--output", help=_OUTPUT_HELP)]
_QueryFlag = Annotated[str | None, typer.Option("--query", metavar="JMESPATH", help="Print only this of the result.")]


@dataclass(frozen=True)
class Outcome:
    """What a command leaves behind, where that is more than data: its exit code."""

    data: Any
    exit_code: int = 0


Function = Callable[..., Any]


def noun(help_text: str) -> typer.Typer:
    """The group of commands of one noun."""
    return typer.Typer(
        help=help_text,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )


def command(
    app: typer.Typer,
    name: str,
    *,
    example: str,
    text: Text = plain,
    ignored: Sequence[str] = (),
    piped: Output = Output.JSON,
) -> Callable[[Function], Function]:
    """Register a function as the command `name` of `app`.

    Parameters are the flags, and what the function returns is the result. A parameter whose type is a frozen
    dataclass stands for a flag per field. `text` makes the table of the result; where neither a terminal nor -o asks
    for one, it is printed as `piped`; None is not printed. `ignored` are flags of `az` without a meaning here
    (`--web/-e`; a `=` at the end of those with a value): they are accepted, not shown in the help, and mentioned on
    stderr when used.
    """

    def register(function: Function) -> Function:
        skipped = {f"ignored_{n}": flag for n, flag in enumerate((*ignored, *AZURE_SCOPE))}

        def run(**values: Any) -> None:
            output, query = values.pop("output"), values.pop("query")
            used = [flag for key, flag in skipped.items() if values.pop(key) not in (None, False)]
            if used:
                names = ", ".join(flag.partition("/")[0].rstrip("=") for flag in used)
                notice(f"ignored: {names} (nothing to do on your own machines)")
            form = output or (Output.TABLE if sys.stdout.isatty() else piped)
            code = _finish(lambda: _run(function, values, form, query, text))
            if code:
                raise typer.Exit(code)

        flags = list(_flattened(function))
        parameters = [*flags, *_own_flags(flags), *(_ignored_flag(*pair) for pair in skipped.items())]
        run.__doc__ = function.__doc__
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportFunctionMemberAccess]
        epilog = "\b\nExample:\n" + "\n".join(f"  {line}" for line in example.splitlines())
        app.command(name, help=inspect.getdoc(function), epilog=epilog)(run)
        return function

    return register


def _run(function: Function, values: Mapping[str, Any], form: Output, query: str | None, text: Text) -> int:
    picked = Query(query) if query is not None else None  # a query that cannot be read must not come after the deed
    result = function(**_grouped(function, values))
    outcome = result if isinstance(result, Outcome) else Outcome(result)
    if outcome.data is not None:
        data = picked.search(outcome.data) if picked else outcome.data
        printed = rendered(data, form, plain if picked else text)
        if printed:
            print(printed)
    return outcome.exit_code


def _finish(work: Callable[[], int]) -> int:
    """The exit code of `work`, its errors told."""
    try:
        code = work()
        sys.stdout.flush()
    except PenstockError as err:
        report(err)
        return exit_code(err)
    except KeyboardInterrupt:
        notice("\ninterrupted; what the platform was asked for goes on: see `penstock events`")
        return INTERRUPTED
    except BrokenPipeError:  # `penstock ... | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _flattened(function: Function) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(function, include_extras=True)
    for parameter in inspect.signature(function).parameters.values():
        hint = hints[parameter.name]
        if not is_dataclass(hint):
            yield _keyword(parameter.name, hint, parameter.default)
            continue
        inner = get_type_hints(hint, include_extras=True)
        for field in fields(hint):
            yield _keyword(field.name, inner[field.name], field.default)


def _grouped(function: Function, values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as `function` takes them: the fields of its dataclasses put together again."""
    hints = get_type_hints(function)
    arguments: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        hint = hints[name]
        if is_dataclass(hint):
            arguments[name] = hint(**{field.name: values[field.name] for field in fields(hint)})  # pyright: ignore[reportCallIssue]
        else:
            arguments[name] = values[name]
    return arguments


def _own_flags(flags: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """The flags of every command; `-o` is for a file where one of the command's own `flags` takes it for that."""
    options = [option for flag in flags for option in getattr(flag.annotation, "__metadata__", ())]
    taken = any("-o" in (getattr(option, "param_decls", None) or ()) for option in options)
    return [_keyword("output", _LongOutputFlag if taken else _OutputFlag, None), _keyword("query", _QueryFlag, None)]


def _ignored_flag(name: str, flag: str) -> inspect.Parameter:
    option = typer.Option(*flag.rstrip("=").split("/"), hidden=True)
    return _keyword(name, Annotated[str | None if flag.endswith("=") else bool, option], None)


def _keyword(name: str, hint: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)
