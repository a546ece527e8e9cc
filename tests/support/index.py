"""A package index on loopback: made-up packages, a password if wanted, and answers that wait."""

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Index:
    """Serves what `add` was given. While `open` is not set, every answer waits for it."""

    def __init__(self, credentials: str | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.open = threading.Event()
        self.open.set()
        self.authorization = credentials and f"Basic {base64.b64encode(credentials.encode()).decode()}"
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server.server_address[1]}"

    def add(self, name: str, version: str, *requires: str, python: str = "py3") -> str:
        """A package with one module that knows its version; returns the path of its wheel."""
        wheel = f"{name}-{version}-{python}-none-any.whl"
        self.files[wheel] = a_wheel(name, version, requires)
        return f"/files/{wheel}"

    def page(self, name: str) -> bytes:
        found = [file for file in self.files if file.startswith(f"{name}-")]
        links = [f'<a href="/files/{file}#sha256={_sha256(self.files[file])}">{file}</a>' for file in found]
        return "\n".join(links).encode()


@contextmanager
def an_index(credentials: str | None = None) -> Generator[Index]:
    """An index that is up; `credentials` is USER:PASSWORD."""
    index = Index(credentials)
    thread = threading.Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield index
    finally:
        index.open.set()
        index.server.shutdown()
        index.server.server_close()
        thread.join()


def a_wheel(name: str, version: str, requires: Sequence[str] = ()) -> bytes:
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            index.open.wait(30)
            if index.authorization not in (None, self.headers.get("Authorization")):
                self._answer(401, b"")
            elif self.path.startswith("/files/"):
                self._answer(200, index.files[self.path.removeprefix("/files/")])
            else:
                page = index.page(self.path.rstrip("/").rpartition("/")[2].replace("-", "_"))
                self._answer(200 if page else 404, page)

        do_HEAD = do_GET  # noqa: N815 - the library's name

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/html" if not self.path.startswith("/files/") else "application/zip")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
