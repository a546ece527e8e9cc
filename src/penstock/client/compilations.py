"""Compilations: registered models converted into ones that answer alike and faster."""

import uuid
from datetime import timedelta

from penstock.client.errands import wait_ended
from penstock.client.resources import understood
from penstock.client.transport import Transport, segment
from penstock.client.waiting import OnProgress
from penstock.domain.compilation import Compilation, CompilationRequest, Format

_ROOT = "/compilations"
_TIMEOUT = timedelta(hours=2)


class Compilations:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def begin(
        self,
        name: str,
        version: str,
        data: str,
        *,
        tolerance: float = 1e-5,
        format_: Format = Format.AUTO,
        rows: int = 100_000,
    ) -> Compilation:
        """Have a version (number, name, `latest`, `@ALIAS`) compiled, and registered if it answers alike.

        `data` is the reference of an uploaded csv, parquet or jsonl file, of which at most `rows` rows are compared.
        """
        request = CompilationRequest(
            id=uuid.uuid4().hex,
            name=name,
            version=version,
            data=data,
            tolerance=tolerance,
            format=format_,
            rows=rows,
        )
        return understood(Compilation, self._transport.post(_ROOT, request.model_dump(mode="json")))

    def get(self, name: str) -> Compilation:
        return understood(Compilation, self._transport.get(f"{_ROOT}/{segment(name)}"))

    def wait(
        self, compilation: Compilation, timeout: timedelta = _TIMEOUT, on_progress: OnProgress = lambda _: None
    ) -> Compilation:
        """The compilation, once it has ended; each condition is reported when it changes.

        Raises `unavailable` after `timeout`, `not_found` if the platform was started anew meanwhile.
        """
        return wait_ended(self.get, compilation, timeout, on_progress)
