"""`penstock ARGUMENTS` as processes that are forked from one which has imported it already.

Importing takes most of a command's time, and the tests run a thousand commands. What a fork does not show, that the
program starts at all, `test_commands` does: it starts each as a shell would.
"""

import atexit
import gc
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("penstock"))
_STATUS = struct.Struct("i")
_LOADED = (
    *("penstock.client.client", "penstock.cli.main", "penstock.daemon", "httpcore", "h11", "typer._adapters"),
    *(f"penstock.cli.{noun}" for noun in ("apply", "online_endpoint", "online_deployment", "model", "job", "up")),
)
_MOST_BYTES = 60_000  # of standard input: what a pipe takes at once


def run(words: list[str], environment: Mapping[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` does it, with the output captured as text. Raises TimeoutError after two hundred seconds."""
    given = stdin.encode()
    assert len(given) < _MOST_BYTES
    request = json.dumps({"words": words, "environment": dict(environment), "cwd": str(Path.cwd())}).encode()
    (in_end, in_start), (out_end, out_start), (err_end, err_start) = os.pipe(), os.pipe(), os.pipe()
    with socket.socket(socket.AF_UNIX) as connection, open(out_end, "rb") as out, open(err_end, "rb") as err:
        connection.settimeout(200)
        connection.connect(_forking())
        socket.send_fds(connection, [struct.pack("I", len(request))], [in_end, out_start, err_start])
        connection.sendall(request)
        for end in (in_end, out_start, err_start):
            os.close(end)
        with open(in_start, "wb") as pipe:
            pipe.write(given)
        with ThreadPoolExecutor(1) as reader:
            told = reader.submit(err.read)
            said = out.read()
            status = _STATUS.unpack(connection.recv(_STATUS.size, socket.MSG_WAITALL))[0]
        return subprocess.CompletedProcess([PROGRAM, *words], status, said.decode(), told.result().decode())


@cache
def _forking() -> str:
    """The socket of the process that forks, which ends with this one."""
    folder = tempfile.TemporaryDirectory(prefix="penstock-commands-")
    path = str(Path(folder.name) / "s.sock")
    process = subprocess.Popen(
        [sys.executable, __file__, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    until_we_end, told = process.stdin, process.stdout
    assert until_we_end is not None
    assert told is not None
    assert told.readline() == b"ready\n"
    told.close()

    def end() -> None:
        until_we_end.close()
        process.wait(timeout=60)
        folder.cleanup()

    atexit.register(end)
    return path


def _serve(path: str) -> None:
    """Fork for each connection, until standard input ends."""
    for module in _LOADED:
        import_module(module)
    gc.freeze()  # for what is never collected, no page is copied
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while all(key.fileobj is listener for key, _ in selector.select()):
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _answer(connection)


def _answer(connection: socket.socket) -> None:
    """Run one command in a child, and send its exit status."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    request = json.loads(connection.recv(struct.unpack("I", head)[0], socket.MSG_WAITALL))
    child = os.fork()
    if child == 0:
        connection.close()
        _become(request, streams)
    for stream in streams:
        os.close(stream)
    _, ended = os.waitpid(child, 0)
    connection.sendall(_STATUS.pack(os.waitstatus_to_exitcode(ended)))
    os._exit(0)


def _become(request: Mapping[str, object], streams: list[int]) -> None:
    from penstock.cli.main import main

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(request["environment"])  # pyright: ignore
    os.chdir(str(request["cwd"]))
    sys.argv = [PROGRAM, *request["words"]]  # pyright: ignore
    status = 0
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does it
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _serve(sys.argv[1])
