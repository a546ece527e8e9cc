"""What a worker in a container sees of this machine, and how it is run."""

from pathlib import Path

from penstock.batch.containers import in_container, mounts_of, seen_by
from penstock.batch.places import JobPlaces
from penstock.domain.environment import USUAL_ROUTES, Requirements
from penstock.engines.base import Mount, ProcessSpec
from penstock.preparation.container_images import ReadyImage
from penstock.preparation.revisions import Ingredients, PlacedCode, PlacedImage

PLACES = JobPlaces(Path("/srv/penstock/jobs"))
IMAGE = PlacedImage(reference="registry/own@sha256:00", routes=USUAL_ROUTES, model_mount_path=None, cpus=None, gpus=0)
READY = ReadyImage(placed=IMAGE, reference=IMAGE.reference, user="1001", host_network=False)
CODE = PlacedCode(digest="c", basename="code", scoring_script="sub/score.py")
INGREDIENTS = Ingredients(
    model=None,
    code=CODE,
    requirements=Requirements(),
    environment_variables={"A": "1", "OMP_NUM_THREADS": "4", "PENSTOCK_REPORT": "x"},
    memory_bytes=None,
    image=IMAGE,
)


def test_a_container_reads_the_inputs_and_writes_to_its_jobs_folders_at_the_paths_they_have_here() -> None:
    seen = seen_by("april", PLACES, [Path("/data/cases"), Path("/data/one.csv")])
    assert mounts_of(seen) == (
        Mount(source=Path("/data/cases"), target="/data/cases"),
        Mount(source=Path("/data/one.csv"), target="/data/one.csv"),
        *(
            Mount(source=path, target=str(path), read_only=False)
            for path in map(Path("/srv/penstock/jobs/april").joinpath, ("logs/user", "outputs", "work"))
        ),
    )


def test_an_input_that_is_a_link_is_also_seen_where_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real = tmp_path / "real"
    mounts = mounts_of(seen_by("april", PLACES, [tmp_path / "link"]))
    assert {Mount(source=real, target=str(tmp_path / name)) for name in ("link", "real")} <= set(mounts)


def test_what_lies_in_roots_home_is_seen_by_other_users_too() -> None:
    """Images keep /root from everybody but root."""
    assert mounts_of(seen_by("april", PLACES, [Path("/root/data")]))[:2] == (
        Mount(source=PLACES.work("april") / "closed", target="/root", read_only=False),
        Mount(source=Path("/root/data"), target="/root/data"),
    )


def test_a_worker_in_a_container_has_the_jobs_variables_azures_places_and_a_lesser_share() -> None:
    process = ProcessSpec(
        name="job.april.w0",
        argv=("python", "-m", "penstock_worker.batch"),
        environment={"PENSTOCK_MEMORY_BYTES": "1000", "PENSTOCK_REPORT": "/srv/report"},
        folder=Path("/app"),
        log=Path("/log"),
    )
    spec = in_container(process, READY, INGREDIENTS, Path("/app"), seen_by("april", PLACES, ()))
    assert spec.container is not None
    assert (spec.argv, spec.container.image, spec.container.user) == (process.argv, READY.reference, "1001")
    assert (spec.container.memory_bytes, spec.container.ports, spec.container.gives_way) == (1000, {}, True)
    assert spec.container.mounts[0] == Mount(source=Path("/app/code/code"), target="/var/azureml-app/code")
    assert spec.environment == {
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "4",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "A": "1",
        "PENSTOCK_MEMORY_BYTES": "1000",
        "PENSTOCK_REPORT": "/srv/report",
        "AML_APP_ROOT": "/var/azureml-app/code/sub",
        "AZUREML_ENTRY_SCRIPT": "score.py",
    }
