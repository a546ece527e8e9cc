"""The forms that browsers and `curl -F` send: fields and uploaded files, from a body that is complete."""

from __future__ import annotations

import io
import os
import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from penstock_worker.multi import Headers, MultiDict

if TYPE_CHECKING:
    from collections.abc import Iterator

URL_ENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
FORM_TYPES = (URL_ENCODED, MULTIPART, "application/x-url-encoded")

_MOST_PARTS = 1000
_PARAMETER = re.compile(r';\s*([\w*-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')


class Upload:
    """A file of a form. It reads like a file that was opened for reading bytes."""

    def __init__(self, name: str, filename: str, headers: Headers, content: bytes) -> None:
        self.name = name
        self.filename = filename
        self.headers = headers
        self.stream = io.BytesIO(content)

    @property
    def content_type(self) -> str | None:
        return self.headers.get("content-type")

    @property
    def mimetype(self) -> str:
        return media_type(self.content_type or "")[0]

    @property
    def content_length(self) -> int:
        return len(self.stream.getvalue())

    def save(self, dst: Any, buffer_size: int = 16384) -> None:
        """Write what is left of it to a path or an open file."""
        if isinstance(dst, (str, os.PathLike)):
            with open(dst, "wb") as file:  # pyright: ignore[reportUnknownArgumentType]
                shutil.copyfileobj(self.stream, file, buffer_size)
        else:
            shutil.copyfileobj(self.stream, dst, buffer_size)

    def close(self) -> None:
        self.stream.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class Form:
    """What a body of a form's type holds. Empty for a body that is none, or one that cannot be understood."""

    def __init__(self, content_type: str, body: bytes) -> None:
        mimetype, parameters = media_type(content_type)
        fields: list[tuple[str, str]] = []
        files: list[tuple[str, Upload]] = []
        if mimetype == MULTIPART and parameters.get("boundary"):
            fields, files = _multipart(body, parameters["boundary"].encode("latin-1", "replace"))
        elif mimetype in FORM_TYPES:
            fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        self.fields = MultiDict(fields)
        self.files = MultiDict(files)


def media_type(content_type: str) -> tuple[str, dict[str, str]]:
    """The type in lower case, and its parameters: `text/csv` and `{"charset": "utf-8"}`."""
    mimetype, _, _ = content_type.partition(";")
    found = _PARAMETER.findall(content_type[len(mimetype) :])
    return mimetype.strip().lower(), {name.lower(): _unquoted(value) for name, value in found}


def _multipart(body: bytes, boundary: bytes) -> tuple[list[tuple[str, str]], list[tuple[str, Upload]]]:
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, Upload]] = []
    # The first delimiter has no line break before it.
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary, _MOST_PARTS + 1)
    for part in parts[1 : _MOST_PARTS + 1]:
        if part.startswith(b"--"):
            break
        head, found, content = part.partition(b"\r\n\r\n")
        headers = _headers(head)
        _, parameters = media_type(headers.get("content-disposition", ""))
        name = parameters.get("name")
        if not found or name is None:
            continue
        if "filename" in parameters:
            files.append((name, Upload(name, parameters["filename"], headers, content)))
        else:
            fields.append((name, content.decode("utf-8", "replace")))
    return fields, files


def _headers(head: bytes) -> Headers:
    lines = (line.partition(":") for line in head.decode("utf-8", "replace").split("\r\n") if ":" in line)
    return Headers((name.strip(), value.strip()) for name, _, value in lines)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return value
