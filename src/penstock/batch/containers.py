"""How a worker runs in a container of its own: what it sees of this machine, and its variables.

It sees files at the paths that they have on this machine, as tasks name them, and only what its job names.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.batch.places import JobPlaces
from penstock.batch.work_folder import WorkFolder
from penstock.domain.job import SCORE
from penstock.engines.base import Container, Mount, Process, ProcessSpec
from penstock.preparation.building import Failure
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.container_layout import app_mounts, app_variables
from penstock.preparation.revisions import ONE_THREAD, Ingredients
from penstock_worker import contract

_LAST_WORDS = 4000  # bytes
_NO_PROGRAM = 127  # exit code of the tools
_NO_WORKER = re.compile("No module named '?penstock_worker|failed to exec pid1: No such file")  # python; catatonit
_CLOSED = Path("/root")  # of images: to every user but root, whom containers do not run as


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a job's workers see of this machine beside model and code: folders and files to read, the job's own to
    write to."""

    reads: tuple[Path, ...]
    writes: tuple[Path, Path, Path]  # the work folder, outputs, and the users' logs
    closed: Path  # an empty folder of the job's, which stands for root's home where something below that is seen


def seen_by(job: str, places: JobPlaces, reads: Iterable[Path]) -> Seen:
    writes = (places.work(job), places.outputs(job), places.logs(job) / "user")
    return Seen(reads=tuple(reads), writes=writes, closed=places.work(job) / "closed")


def in_container(
    process: ProcessSpec, ready: ReadyImage, ingredients: Ingredients, app: Path, seen: Seen
) -> ProcessSpec:
    """The process as a container of that image. Of its environment, `process` has the contract's part."""
    variables = {"PYTHONUNBUFFERED": "1", **ONE_THREAD, **ingredients.environment_variables}
    variables |= {**process.environment, **app_variables(ingredients, ready.placed)}
    return ProcessSpec(
        name=process.name,
        argv=process.argv,
        environment=variables,
        folder=process.folder,
        log=process.log,
        container=Container(
            image=ready.reference,
            ports={},
            mounts=(*app_mounts(app, ingredients, ready.placed), *mounts_of(seen)),
            user=ready.user,
            memory_bytes=int(process.environment[contract.MEMORY_BYTES]),
            cpus=ready.placed.cpus,
            gpus=ready.placed.gpus,
            gives_way=True,
        ),
    )


def mounts_of(seen: Seen) -> tuple[Mount, ...]:
    """Files and folders at the paths that they have here; by a link, also where it leads to, as other links may."""
    mounts: dict[str, Mount] = {}
    for path in seen.reads:
        real = Path(os.path.realpath(path))
        for target in (path, real):
            mounts[str(target)] = Mount(source=real, target=str(target))
    for path in seen.writes:
        mounts[str(path)] = Mount(source=path, target=str(path), read_only=False)
    if any(_CLOSED in Path(target).parents for target in mounts):
        # Not read-only: the tools make the places in it that the others are mounted at.
        mounts[str(_CLOSED)] = Mount(source=seen.closed, target=str(_CLOSED), read_only=False)
    return tuple(mounts[target] for target in sorted(mounts))


def let_in(worker: str, folder: WorkFolder, seen: Seen) -> None:
    """Let the image's user, whoever that is, write to the job's own folders; the home folder keeps others out.

    What the platform has made in them cannot be replaced by a link that leads elsewhere.
    """
    _, outputs, logs = seen.writes
    for path, mode in ((outputs, 0o1777), (outputs / SCORE, 0o777), (logs, 0o1777), (seen.closed, 0o755)):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(mode)
    errors = os.open(logs / "error.txt", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    os.fchmod(errors, 0o666)
    os.close(errors)
    folder.let_in(worker)


def unready_image(failure: Failure, process: Process | None, log: Path) -> Failure:
    """`failure` of a container that ended before its worker could say why: with its last words, and with what is wrong
    if the image is not made for batch jobs."""
    told = last_words(log)
    failure = replace(failure, detail=told or None)
    if (process is not None and process.exit_code == _NO_PROGRAM) or _NO_WORKER.search(told):
        message = (
            "the image has no `python` with Penstock's worker: begin its Dockerfile with the image that "
            "`penstock image base` builds"
        )
        return replace(failure, message=message)
    return failure


def last_words(log: Path) -> str:
    """The end of what a worker's process, or the tool that runs its container, has said."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST_WORDS))
            return file.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""
