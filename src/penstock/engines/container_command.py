"""How a container is run: the command line of its client, and the file of its environment. Pure."""

import csv
import hashlib
import io
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.containers.tool import Tool
from penstock.domain.errors import invalid
from penstock.engines.base import Container, Mount, ProcessSpec

NOBODY = "65534:65534"

_OWNER_LABEL, _INSTANCE_LABEL = "penstock.owner", "penstock.instance"
_PROCESSES = 4096  # and threads, of one container
_LESSER_SHARE = "341"  # of CPU, for who gives way: a third of what containers have by themselves, as for processes
_LONGEST_LINE = 60_000  # bytes of a variable; the tools stop reading such a file at a longer line
_NO_NAME = frozenset("=\n\r \t")
_HOME = "/tmp"  # noqa: S108 - of the container: the only place where libraries may keep their caches


@dataclass(frozen=True, kw_only=True)
class Operator:
    """Who runs containers: a platform, by its home, its user and group, and the tool of its machine."""

    tool: Tool
    owner: str
    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True)
class ContainerFiles:
    """Files beside a container that runs: its environment, and the id that the tool gave it.

    Both are names in `folder`, as the tools read some paths as lists with commas.
    """

    folder: Path
    environment: str
    id: str


def owner_label(owner: str) -> str:
    """What the containers of one platform are found by. Homes may have characters that labels may not."""
    return f"{_OWNER_LABEL}={_digest(owner)}"


def container_name(owner: str, instance: str) -> str:
    """The same for every start of an instance, and other than those of other platforms on this host."""
    return f"penstock-{_digest(owner)}-{instance}"


def client_command(spec: ProcessSpec, container: Container, operator: Operator, files: ContainerFiles) -> str:
    """A shell command that removes what is left of the container and becomes its client. It holds no secret.

    The client passes signals on, writes what the container says to its own output, and ends with its exit code.
    """
    tool, name = operator.tool, container_name(operator.owner, spec.name)
    remove = shlex.join(tool.argv(*removal(tool, name)))
    arguments = [
        *("--rm", "--name", name, "--cidfile", files.id),
        *("--label", owner_label(operator.owner), "--label", f"{_INSTANCE_LABEL}={spec.name}"),
        *("--env-file", files.environment, "--log-driver", "none", "--no-healthcheck"),
        *_isolation(tool),
        *("--user", user_of(container, operator)),
        *_limits(container, tool),
        *_network(container, tool),
        *(word for mount in container.mounts for word in ("--mount", _mount(mount))),
    ]
    if spec.argv:
        arguments += ["--entrypoint", spec.argv[0]]
    run = shlex.join(tool.argv("run", *arguments, container.image, *spec.argv[1:]))
    return f"cd {shlex.quote(str(files.folder))} && {remove} >/dev/null 2>&1; rm -f {shlex.quote(files.id)}; exec {run}"


def removal(tool: Tool, *containers: str) -> tuple[str, ...]:
    """Arguments that end and remove containers at once, with what they wrote."""
    at_once = ("--time", "0") if tool.name == "podman" else ()
    return ("rm", "--force", "--volumes", *at_once, *containers)


def environment_file(variables: Mapping[str, str]) -> str:
    """The variables as a container's file of them. Raises as `check_variables` does."""
    check_variables(variables)
    return "".join(f"{name}={value}\n" for name, value in {"HOME": _HOME, **variables}.items())


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise `invalid` for a variable that a container cannot be given."""
    for name, value in variables.items():
        if not name or name[0] == "#" or name[-1] == "*" or _NO_NAME & set(name):
            raise invalid(f"environment variable {name!r} cannot be given to a container: use letters, digits and _")
        if "\n" in value or "\r" in value:
            raise invalid(f"environment variable {name!r} has a line break, which a container cannot be given")
        if len(f"{name}={value}".encode()) > _LONGEST_LINE:
            raise invalid(f"environment variable {name!r} is longer than a container can be given: use a file")


def user_of(container: Container, operator: Operator) -> str:
    """Who the container runs as.

    Without root it is the platform's own user, who may read the platform's files; where the tool is without root too,
    it calls that user root inside. With root it is the image's user, and nobody if that is root.
    """
    if operator.uid != 0:
        return "0:0" if operator.tool.rootless else f"{operator.uid}:{operator.gid}"
    return NOBODY if container.user.partition(":")[0] in ("", "0", "root") else container.user


def gpu_arguments(tool: Tool, gpus: int) -> tuple[str, ...]:
    """Arguments of `run` for the first `gpus` GPUs of the host."""
    if not gpus:
        return ()
    if tool.name == "docker":
        return ("--gpus", str(gpus))
    return tuple(word for n in range(gpus) for word in ("--device", f"nvidia.com/gpu={n}"))


def gpu_fault(tool: Tool, host: Path = Path("/")) -> str | None:
    """Why containers cannot have GPUs here, with the remedy; None if nothing speaks against it."""
    if not (host / "dev/nvidiactl").exists():
        return "this machine has no NVIDIA GPU (there is no /dev/nvidiactl)"
    told = [file for place in ("etc/cdi", "var/run/cdi") for file in (host / place).glob("*.*")]
    if tool.name == "docker" or told:
        return None
    return (
        "podman has not been told of this machine's GPUs: install nvidia-container-toolkit and run "
        "`nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
    )


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:8]


def _isolation(tool: Tool) -> list[str]:
    arguments = ["--read-only", "--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777", "--cap-drop", "all"]  # noqa: S108
    arguments += ["--security-opt", "no-new-privileges", "--security-opt", "label=disable"]
    if tool.name == "podman":
        # Volumes that an image declares would be folders of the host that nothing bounds.
        arguments += ["--image-volume", "tmpfs"]
    return [*arguments, *(("--init",) if tool.init else ())]


def _limits(container: Container, tool: Tool) -> list[str]:
    memory = str(container.memory_bytes)
    arguments = [*tool.limits, "--pids-limit", str(_PROCESSES), "--memory", memory, "--memory-swap", memory]
    if container.cpus is not None:
        arguments += ["--cpus", f"{container.cpus:g}"]
    if container.gives_way and not tool.rootless:  # most systems let users divide memory, and not CPU, among their own
        arguments += ["--cpu-shares", _LESSER_SHARE]
    return [*arguments, *gpu_arguments(tool, container.gpus)]


def _network(container: Container, tool: Tool) -> list[str]:
    """On the host's own network there is nothing to publish: the server listens on the host's port."""
    published = () if tool.network == "host" else container.ports.items()
    ports = (word for outer, inner in published for word in ("--publish", f"127.0.0.1:{outer}:{inner}"))
    return ["--network", tool.network, *ports]


def _mount(mount: Mount) -> str:
    """The tools read the fields of a mount as a line of CSV."""
    line = io.StringIO()
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    csv.writer(line, lineterminator="").writerow([*fields, *(("readonly",) if mount.read_only else ())])
    return line.getvalue()
