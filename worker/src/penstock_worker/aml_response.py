"""What Azure's scoring scripts import to answer with a status and headers of their own: `AMLResponse`."""

from __future__ import annotations

import json
from typing import Any

from penstock_worker.multi import Headers

_JSON, _HTML = "application/json", "text/html; charset=utf-8"


class AMLResponse:
    """`message` is the body as it is, unless `json_str`; None is an empty object. A generator is sent as it yields."""

    def __init__(
        self,
        message: Any,
        status_code: Any,
        response_headers: dict[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        as_json = json_str or message is None
        self.status_code = _status(status_code)
        self.response: Any = json.dumps({} if message is None else message) if as_json else message
        self.run_function_failed = run_function_failed
        given = response_headers or {}
        self.headers = Headers()
        if as_json or not any(name.lower() == "content-type" for name in given):
            self.headers.add("Content-Type", _JSON if as_json else _HTML)
        for name, value in given.items():
            for part in str(value).split(","):  # as Azure: a comma separates repeated headers
                self.headers.add(name, part.strip())

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.headers["Content-Type"] = value

    mimetype = content_type

    @property
    def status(self) -> str:
        return str(self.status_code)

    @property
    def data(self) -> bytes:
        return self.get_data()

    @data.setter
    def data(self, value: str | bytes) -> None:
        self.response = value

    def get_data(self, as_text: bool = False) -> Any:
        """The body, unless it is streamed."""
        body = self.response.encode("utf-8") if isinstance(self.response, str) else bytes(self.response)
        return body.decode("utf-8") if as_text else body

    def set_data(self, value: str | bytes) -> None:
        self.response = value


def _status(code: Any) -> int:
    """`code` may be `201`, "201" or "201 CREATED"."""
    return int(code.split(maxsplit=1)[0]) if isinstance(code, str) else int(code)
