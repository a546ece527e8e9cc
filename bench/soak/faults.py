"""What happens to the platform while it is asked: each fault is a function that returns when all is well again.

Another one is a function here and a line in `FAULTS`.
"""

import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from stage import SCRIPT, Stage, killed
from support.running import wait_until

from penstock.domain.autoscale import Autoscale
from penstock.domain.fields import parse
from penstock.domain.rollout import Phase, Rollout

_DOWN = 1.0  # seconds before a control plane is started again, as systemd would
_FULL = 2.0  # seconds that a disk stays full
LOG_DISK_BYTES = 4 * 1024 * 1024


def kill_an_instance(stage: Stage) -> None:
    """One of several: bodies below the limit for that are sent to another one by the gateway."""
    deployment = stage.a_deployment(only_with_more_than=1)
    victim = stage.random.choice(sorted(stage.platform.instance_pids(deployment)))
    killed(victim)
    others = stage.counts[deployment]
    wait_until(lambda: len({*stage.platform.instance_pids(deployment)} - {victim}) == others)
    stage.await_instances(deployment)


def kill_the_gateway(stage: Stage) -> None:
    """Master and workers at once; their connections end, so callers have to connect again."""
    victims = stage.haproxies()
    for process in victims:
        process.kill()
    gone = {process.pid for process in victims}
    wait_until(lambda: {process.pid for process in stage.haproxies()} - gone)
    stage.await_answers()


def kill_the_control_plane(stage: Stage) -> None:
    stage.platform.kill_control_plane()
    time.sleep(_DOWN)
    stage.platform.up()
    for deployment in stage.counts:
        stage.await_instances(deployment)


def kill_mlflow(stage: Stage) -> None:
    """What is served needs no registry; the next one who asks it has it started."""
    for process in stage.platform.processes():
        if process.is_running() and any("mlflow" in part for part in process.cmdline()):
            killed(process.pid)
    stage.client.models.list()


def reload_the_gateway(stage: Stage) -> None:
    """Another deployment comes and goes."""
    stage.copy(f"{SCRIPT}.blue", "extra")
    stage.remove(f"{SCRIPT}.extra")


def update_a_deployment(stage: Stage) -> None:
    """All its instances are replaced by ones of another revision."""
    stage.versions += 1
    stage.change(stage.a_deployment(), environment_variables={"VERSION": str(stage.versions)})


def move_traffic(stage: Stage) -> None:
    for blue in (50, 0, 90, 100):
        stage.traffic(blue=blue, green=100 - blue)
        stage.await_answers()


def scale(stage: Stage) -> None:
    """Up by one, and down again."""
    deployment = stage.a_deployment()
    before = stage.counts[deployment]
    for count in (before + 1, before):
        stage.counts[deployment] = count
        stage.change(deployment, instance_count=count)
        stage.await_instances(deployment)


def roll_out(stage: Stage) -> None:
    """Guards look on while the traffic goes over; then it goes back. Answers grow all the time here, so that what is
    predicted is another distribution each second."""
    guards = {"predictions": None}
    plan = {"steps": [50, 100], "bake_time": "1s", "minimum_requests": 20, "keep_warm": "0s", "guards": guards}
    spec = parse(Rollout, {"endpoint_name": SCRIPT, "name": "soak", "from": "blue", "to": "green", **plan}, "rollout")
    stage.client.rollouts.start(spec)
    status = lambda: stage.client.rollouts.get(SCRIPT, "soak").status  # noqa: E731
    wait_until(lambda: status().settled)
    if status().phase is not Phase.PROMOTED:
        raise AssertionError(f"the rollout of an equal deployment ended otherwise: {status().verdict}")
    stage.traffic(blue=100, green=0)
    stage.client.rollouts.delete(SCRIPT, "soak")


def autoscale(stage: Stage) -> None:
    """A deployment is given an autoscale that wants more instances, and loses it again."""
    deployment = f"{SCRIPT}.green"
    before = stage.counts[deployment]
    spec = parse(Autoscale, {"endpoint_name": SCRIPT, "deployment_name": "green", "min": before + 1, "max": 4}, "a")
    stage.client.autoscales.create_or_update(spec)
    ready = lambda: stage.client.online_deployments.get(SCRIPT, "green").status.ready_instances  # noqa: E731
    wait_until(lambda: ready() > before)
    stage.client.autoscales.delete(SCRIPT, "green")
    stage.await_instances(deployment)


def rotate_keys(stage: Stage) -> None:
    """As their owners do it: callers change to the other key before one is made anew."""
    endpoints = stage.client.online_endpoints
    for name, caller in stage.callers.items():
        for kind in ("primary", "secondary"):
            keys = endpoints.credentials(name)
            caller.key = keys.secondaryKey if kind == "primary" else keys.primaryKey
            stage.await_answers()  # what was sent with the old key is answered
            endpoints.regenerate_keys(name, kind)


def fill_the_logs_disk(stage: Stage) -> None:
    """No room for a log line, and then an instance dies."""
    fill = stage.platform.home / "logs" / "fill"
    try:
        with fill.open("wb") as file:
            while True:
                file.write(bytes(2**16))
                file.flush()
    except OSError as err:
        if err.errno != errno.ENOSPC:
            raise
    try:
        kill_an_instance(stage)
        time.sleep(_FULL)
    finally:
        fill.unlink()
    stage.await_answers()


Fault = Callable[[Stage], None]

NEEDS_MLFLOW = "kill -9 of MLflow"
FAULTS: dict[str, Fault] = {
    "kill -9 of an instance": kill_an_instance,
    "kill -9 of the gateway": kill_the_gateway,
    "kill -9 of the control plane": kill_the_control_plane,
    NEEDS_MLFLOW: kill_mlflow,
    "reload of the gateway": reload_the_gateway,
    "rolling update": update_a_deployment,
    "traffic moves": move_traffic,
    "instances added and removed": scale,
    "rollout": roll_out,
    "autoscale": autoscale,
    "keys rotated": rotate_keys,
    "disk of the logs is full": fill_the_logs_disk,
}
NEEDS_LOG_DISK = ("disk of the logs is full",)


def mounted_logs(folder: Path) -> bool:
    """Whether `folder` could be made a small disk of its own in memory, which takes a mount and so the root user."""
    if os.geteuid() != 0:
        return False
    folder.mkdir(mode=0o700, parents=True)
    options = f"size={LOG_DISK_BYTES},mode=700"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    return done.returncode == 0


def unmount(folder: Path) -> None:
    subprocess.run(["umount", folder], capture_output=True, check=True)
