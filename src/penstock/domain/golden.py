"""Golden requests: requests with the answers that a deployment must give, and what came of asking for them."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from penstock.domain.resource import Frozen

MOST_REQUESTS = 1000  # of one check
MOST_BODY_BYTES = 1024 * 1024  # of a request, and of an answer

JsonType = Literal["null", "boolean", "integer", "number", "string", "array", "object"]


class Shape(Frozen):
    """What an answer looks like, in the words of JSON Schema; these of its keywords and no others."""

    type: JsonType | tuple[JsonType, ...] | None = None
    enum: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = Field(default=None, alias="minLength", ge=0)
    max_length: int | None = Field(default=None, alias="maxLength", ge=0)
    min_items: int | None = Field(default=None, alias="minItems", ge=0)
    max_items: int | None = Field(default=None, alias="maxItems", ge=0)
    items: "Shape | None" = None
    properties: dict[str, "Shape"] = {}
    required: tuple[str, ...] = ()
    additional_properties: bool = Field(default=True, alias="additionalProperties")

    @property
    def types(self) -> tuple[JsonType, ...]:
        """The allowed types; none given allows all."""
        if self.type is None:
            return ()
        return (self.type,) if isinstance(self.type, str) else self.type


class Tolerance(Frozen):
    """By how much a number may differ: by `abs`, or by the part `rel` of the expected number, whichever is more."""

    abs: float = Field(default=0.0, ge=0)
    rel: float = Field(default=0.0, ge=0)


class Expectation(Frozen):
    """What the answer to a golden request must be; what is not given is not compared.

    `answer` is the JSON of the answer, or its text if that is no JSON; an answer `null` is expected by the shape
    `{"type": "null"}`. `ignore` are paths in the answer that may hold anything, `*` being any one step: `0.pid`,
    `rows.*.time`.
    """

    status: int = Field(default=200, ge=100, le=599)
    answer: Any = None
    tolerance: Tolerance = Tolerance()
    shape: Shape | None = None
    ignore: tuple[str, ...] = ()


class GoldenRequest(Frozen):
    """One line of a golden file. `request` is sent as JSON; `body` is a text that is sent as it stands instead."""

    name: str | None = None
    request: Any = None
    body: str | None = None
    content_type: str = Field(default="application/json", pattern=r"^[\x21-\x7e][\x20-\x7e]{0,199}$")
    expect: Expectation = Expectation()

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.request is not None and self.body is not None:
            raise ValueError("give request or body, not both")
        return self


class GoldenRequests(Frozen):
    """A golden file as it is sent."""

    requests: tuple[GoldenRequest, ...]


class Settling(GoldenRequests):
    """Recorded requests that are to be asked once more; `renewed`: they were changed since they were answered."""

    renewed: bool = False


class RecordingRequest(Frozen):
    """What `golden record` asks for. `since` is None in the first of several calls."""

    deployment: str | None = None
    since: datetime | None = None
    count: int = Field(default=50, ge=1, le=MOST_REQUESTS)
    redact: tuple[str, ...] = ()


class Recording(Frozen):
    """Of `seen` exchanges since `since`, `distinct` ones could be kept; `requests` are those chosen from them."""

    deployment: str
    since: datetime
    seen: int
    distinct: int
    requests: tuple[GoldenRequest, ...]


class Mismatch(Frozen):
    """One place where an answer is not what was expected; `path` is empty for the answer as a whole."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path or 'answer'}: expected {self.expected}, got {self.got}"


class GoldenFailure(Frozen):
    """A golden request whose answer was not the expected one. `number` counts the requests from 1."""

    number: int
    name: str
    mismatches: tuple[Mismatch, ...]

    def __str__(self) -> str:
        return f"{self.name}: " + "; ".join(map(str, self.mismatches))


class GoldenResult(Frozen):
    """What a check found: all requests that were asked, and those that failed, in their order."""

    endpoint: str
    deployment: str
    requests: int
    failures: tuple[GoldenFailure, ...] = ()
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.failures

    def __str__(self) -> str:
        good = self.requests - len(self.failures)
        told = f"{good} of {self.requests} golden requests answered by {self.deployment!r} as expected"
        return f"{told}; first: {self.failures[0]}" if self.failures else told
