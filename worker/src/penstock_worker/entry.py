"""What is served, a script or a model, as scoring sees it: requests are read into calls, and calls are run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, Hashable, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penstock_worker.messages import Request, Response


class Call:
    """A request that has been read: it is sound, and ready to be run.

    `input` is what the entry's `run` takes; `rows` how many rows that is. Calls with the same `group` may be run
    together in one batch; None keeps a call alone. `answer` makes the response of its result, and raises whatever
    that raises while it is turned into bytes. `parsed` is perf_counter() once the body was parsed, before the input
    was checked; zero where there is no such moment.
    """

    __slots__ = ("answer", "group", "input", "parsed", "rows")

    def __init__(
        self,
        input: Any,
        answer: Callable[[Any], Response],
        rows: int = 1,
        group: Hashable = None,
        parsed: float = 0.0,
    ) -> None:
        self.input = input
        self.answer = answer
        self.rows = rows
        self.group = group
        self.parsed = parsed


class Entry(Protocol):
    """A loaded script or model. `batch_rows` bounds the rows of one batch; zero: every call is run alone."""

    batch_rows: int

    def read(self, request: Request, /) -> Call:
        """The call that `request` to the scoring route stands for; raises `BadInputError`."""
        ...

    def run(self, call: Call, /) -> Any:
        """The result of one call. Raises whatever the user's code raises, or `BadInputError`."""
        ...

    def run_batch(self, calls: Sequence[Call], /) -> Sequence[Any]:
        """The results of calls of one group, in their order. If it raises, the calls are run one by one."""
        ...


Reader = Callable[["Request"], Call]  # as `Entry.read`; other protocols bring their own
