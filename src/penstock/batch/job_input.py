"""The files that a job reads: listed once, and written down in its ledger."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.batch.job_output import check_free
from penstock.batch.output_claims import check_unclaimed
from penstock.batch.places import JobPlaces
from penstock.batch.planning import segments_of
from penstock.domain.errors import invalid, not_found
from penstock.domain.job import SCORE, Job, JobStatus
from penstock.domain.resource import Resource
from penstock.storage.base import Storage
from penstock.storage.patterns import split
from penstock.store.ledger import FileState, Ledger, LedgerFile, MiniBatchState

_MOST_EARLIER = 10_000  # jobs in a chain of `since`

Version = tuple[str, int, str]  # URI, size and version of a file


@dataclass(frozen=True)
class Earlier:
    """A job that has ended: the one that it came after, and whether it has `completed`, so that its output is there."""

    since: str | None
    completed: bool


class JobInput:
    """`earlier` finds a job by its name; None if there is none."""

    def __init__(
        self, storage: Storage, ledger: Ledger, places: JobPlaces, earlier: Callable[[str], Earlier | None]
    ) -> None:
        self._storage = storage
        self._ledger = ledger
        self._places = places
        self._earlier = earlier

    def listed(self, job: str, spec: Job) -> Sequence[LedgerFile]:
        """All files of all inputs, in order.

        Raises what `Storage.list` raises, and `not_found` if there is not one file.
        """
        files: list[LedgerFile] = []
        several = len(spec.inputs) > 1
        known = self._known(spec.since)
        skipped = 0
        for name, each in spec.inputs.items():
            if each.type == "mltable":
                raise invalid(f"input {name!r} is an mltable: give a uri_folder or uri_file")
            for file in self._storage.list(each.path, each.type):
                if (file.uri, file.size, file.version) in known:
                    skipped += 1
                    continue
                files.append(
                    LedgerFile(
                        number=len(files),
                        uri=file.uri,
                        name=f"{name}/{file.name}" if several else file.name,
                        size=file.size,
                        version=file.version,
                    )
                )
        if not files and not skipped:
            where = ", ".join(i.path for i in spec.inputs.values())
            raise not_found(f"there are no files at {where}; names that begin with '.' or '_' are passed over")
        return files

    def reads(self, job: str, spec: Job) -> tuple[Path, ...]:
        """The files and folders of this machine in which all of the input is, or will be: open to containers then."""
        found: list[Path] = []
        for each in spec.inputs.values():
            path = self._storage.local_path(each.path)
            if path is None:
                path = self._places.inputs(job)
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.chmod(0o755)  # what is fetched is as open
            found.append(path if path.exists() else Path(split(str(path))[0] or "/"))
        return tuple(found)

    def check_output(self, job: str, spec: Job) -> None:
        """Raises `conflict` if what the job would write is there already; it may ask another machine."""
        path = spec.output_path if spec.output_path is not None else str(self._places.outputs(job) / SCORE)
        check_free(self._storage, path, spec.deployment, elsewhere=True)

    def check_unclaimed(self, job: str, spec: Job, others: Iterable[Resource[Job, JobStatus]]) -> None:
        """Raises `conflict` if one of `others` writes to the same place."""
        check_unclaimed(self._storage, job, spec, others)

    def path(self, job: str, file: LedgerFile) -> Path:
        """Where workers find a file: where it lies, or where it is fetched to."""
        local = self._storage.local_path(file.uri)
        if local is not None:
            return local
        return self._places.inputs(job) / f"{file.number:08d}" / Path(file.name).name

    def output_folder(self, job: str, spec: Job, *, apart: bool) -> Path:
        """Where the final files are made: where the caller wants them, or in a folder of the job.

        `apart`: workers write to nothing but the job's own folders.
        """
        if apart:
            return self._places.outputs(job) / SCORE
        local = self._storage.local_path(spec.output_path) if spec.output_path is not None else None
        return local or self._places.outputs(job) / SCORE

    def fetched_folder(self, job: str, spec: Job) -> Path | None:
        """Where files of other machines are fetched to; None if the job reads none."""
        elsewhere = any(self._storage.local_path(each.path) is None for each in spec.inputs.values())
        return self._places.inputs(job) if elsewhere else None

    def elsewhere(self, job: str, spec: Job) -> Sequence[str]:
        """The URIs of other machines that the job reads, and writes to."""
        read = [f.uri for f in self._ledger.files(job) if self._storage.local_path(f.uri) is None]
        destination = self.destination(spec, apart=False)
        return read if destination is None else [*read, destination]

    def destination(self, spec: Job, *, apart: bool) -> str | None:
        """The path, or URI of another machine, that the final files are to be taken to; None if they stay.

        `apart`: as in `output_folder`.
        """
        local = self._storage.local_path(spec.output_path) if spec.output_path is not None else None
        if local is not None:
            return str(local) if apart else None
        return spec.output_path

    def _known(self, job: str | None) -> frozenset[Version]:
        """What `job` and those before it have scored: each has left out what an earlier one had done.

        What was scored by one that has not completed is in no output.
        """
        known: set[Version] = set()
        seen: set[str] = set()
        while job is not None and job not in seen and len(seen) < _MOST_EARLIER:
            seen.add(job)
            found = self._earlier(job)
            if found is not None and found.completed:
                known |= self._scored(job)
            job = found.since if found is not None else None
        return frozenset(known)

    def _scored(self, job: str) -> frozenset[Version]:
        """What an earlier job has scored, all of it."""
        unscored: set[int] = set()
        for state in (MiniBatchState.FAILED, MiniBatchState.TODO):
            after = None
            while chunk := self._ledger.mini_batches(job, state=state, after=after, limit=1000):
                unscored |= {segment.file.number for each in chunk for segment in segments_of(each)}
                after = chunk[-1].id
        done = self._ledger.files(job, state=FileState.CUT)
        return frozenset((f.uri, f.size, f.version) for f in done if f.number not in unscored)
