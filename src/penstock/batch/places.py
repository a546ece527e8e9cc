"""Where the files of batch jobs and deployments lie below the home folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobPlaces:
    """`folder` holds one folder for each job: `work` (see penstock_worker/batch_contract.py), `logs`, `inputs`,
    `outputs`."""

    root: Path

    def folder(self, job: str) -> Path:
        return self.root / job

    def work(self, job: str) -> Path:
        """What coordinator and workers tell each other, and the parts; gone once the job is completed."""
        return self.root / job / "work"

    def logs(self, job: str) -> Path:
        """Azure's layout: `user/error.txt`, `user/stdout/...`, `job_progress_overview.txt`."""
        return self.root / job / "logs"

    def inputs(self, job: str) -> Path:
        """Files fetched from other machines."""
        return self.root / job / "inputs"

    def outputs(self, job: str) -> Path:
        """One folder for each named output; they stay."""
        return self.root / job / "outputs"

    def deployment(self, name: str) -> Path:
        """One folder for each revision of deployment `name` (ENDPOINT/DEPLOYMENT): its model and code, laid out."""
        return self.root.parent / "batch" / name
