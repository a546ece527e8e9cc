"""run() of a script as an entry: what it is given, how it is called, and which of its failures are the caller's."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from penstock_worker.conversions import fault_of_input
from penstock_worker.decorated import conversion_of, is_decorated, schemas_of
from penstock_worker.entry import Call
from penstock_worker.flask_requests import flask_requests
from penstock_worker.input_schema import ANYTHING
from penstock_worker.logs import log
from penstock_worker.scoring_timeout import limited
from penstock_worker.script_answers import script_answer
from penstock_worker.script_inputs import HEADERS, named_arguments, plain_headers, raw_arguments, text_arguments
from penstock_worker.swagger import Schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.messages import Request

    Batch = Callable[[list[Any]], Any]

_GROUP = "run_batch"


@dataclass(frozen=True)
class Behaviour:
    """How scripts are served. `strict`: as Azure's server does, also where that is a trap."""

    strict: bool = False
    scoring_timeout_ms: int | None = None
    batch_rows: int = 0  # most requests that run_batch() gets at a time


class ScriptCall(Call):
    """The arguments of run(), and the request that they came from."""

    __slots__ = ("request",)
    request: Request


class Script:
    """A loaded script. The input of its calls holds the arguments of run(), by name.

    `raw`: run() takes the request itself. `batch` is the script's run_batch(), if it has one: it takes a list with an
    input for each request, and returns a list of results, of which any may be an exception.
    """

    def __init__(
        self,
        run: Callable[..., Any],
        behaviour: Behaviour | None = None,
        *,
        raw: bool = False,
        batch: Batch | None = None,
    ) -> None:
        behaviour = behaviour or Behaviour()
        parameters = [each for name, each in inspect.signature(run).parameters.items() if name != HEADERS]
        self.function = run
        self.takes_options = raw
        self._parameter = parameters[0].name
        self._wants_headers = HEADERS in inspect.signature(run).parameters
        self._many = len(parameters) > 1 or self._wants_headers
        self._decorated = is_decorated(run)
        self._excuses = self._decorated and not behaviour.strict
        if raw:
            self._arguments = raw_arguments(self._parameter)
        elif self._decorated:
            self._arguments = named_arguments(parameters)
        else:
            self._arguments = text_arguments(self._parameter, strict=behaviour.strict)
        self._flask = flask_requests(wanted=raw)
        self._raw = self._parameter if raw else None
        limit = behaviour.scoring_timeout_ms
        self._run = run if limit is None else limited(run, limit)
        self._batch = batch if batch is None or limit is None else limited(batch, limit)
        self._convert = conversion_of(run) if batch is not None and self._decorated else None
        self.batch_rows = behaviour.batch_rows if self._may_batch() else 0
        self._group = _GROUP if self.batch_rows else None

    def read(self, request: Request) -> Call:
        arguments = self._arguments(request)
        if self._wants_headers:
            arguments[HEADERS] = plain_headers(request)
        if self._flask is None:
            return Call(arguments, script_answer, 1, self._group)
        call = ScriptCall(arguments, script_answer)
        call.request = request
        return call

    def run(self, call: Call) -> Any:
        try:
            if self._flask is None or not isinstance(call, ScriptCall):
                return self._run(**call.input)
            return self._flask.call(call.request, self._run, call.input, self._raw)
        except Exception as error:
            fault = fault_of_input(error) if self._excuses else None
            if fault is None:
                raise
            raise fault from error

    def run_batch(self, calls: Sequence[Call]) -> Sequence[Any]:
        if self._batch is None:
            return [self.run(call) for call in calls]
        results = list(self._batch([self._item(call.input) for call in calls]))
        if len(results) != len(calls):
            raise ValueError(f"run_batch() returned {len(results)} results for {len(calls)} requests")
        return results

    def schemas(self) -> Schemas:
        """Those of the decorators; without them, anything."""
        told = schemas_of(self.function)
        return Schemas(ANYTHING, ANYTHING) if told is None else Schemas(*told)

    def _item(self, arguments: dict[str, Any]) -> Any:
        """What run_batch() gets for one request: what run() gets, by name if that is more than one value."""
        if self._convert is not None:
            arguments = self._convert(arguments)
        return arguments if self._many else arguments[self._parameter]

    def _may_batch(self) -> bool:
        if self._batch is None or self._raw is not None or self._flask is not None:
            return False
        if self._decorated and self._convert is None:
            log.warning("run_batch() is not used: run() has decorators besides those of inference_schema")
            return False
        return True
