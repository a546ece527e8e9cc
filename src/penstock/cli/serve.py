"""`penstock serve`: a scoring script or an MLflow model, served from this terminal without a platform."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.errors import notice
from penstock.cli.flags import pairs
from penstock.domain.errors import invalid
from penstock.settings import Settings, from_environment
from penstock_worker import contract

if TYPE_CHECKING:
    from penstock.desk.crew import Member
    from penstock.desk.imports import Interpreter
    from penstock.desk.models import FoundModel
    from penstock.environments.uv import UvEnvironments

NOUN = None  # the command stands alone
app = noun("")

_DEBUGGER = "debugpy"
_DEBUGGER_PORT = 5678


@dataclass(frozen=True)
class What:
    """What is served."""

    entry_script: Annotated[
        str | None, typer.Option("--entry-script", "--entry_script", help="Scoring script, with init() and run().")
    ] = None
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="MLflow model: its folder, models:/NAME/VERSION, runs:/RUN/PATH."),
    ] = None
    model_dir: Annotated[
        Path | None, typer.Option("--model-dir", "--model_dir", help="AZUREML_MODEL_DIR of the script.")
    ] = None


@dataclass(frozen=True)
class With:
    """What it is served with."""

    python: Annotated[Path | None, typer.Option("--python", help="Interpreter. [default: see the guide]")] = None
    conda_file: Annotated[
        Path | None, typer.Option("--conda-file", help="Conda, environment or requirements file to build one from.")
    ] = None
    env: Annotated[list[str] | None, typer.Option("--env", metavar="KEY=VALUE", help="Variable; any number.")] = None
    env_file: Annotated[Path | None, typer.Option("--env-file", help="File with a KEY=VALUE in each line.")] = None
    config_file: Annotated[
        Path | None, typer.Option("--config-file", "--config_file", help="Settings of the script, in JSON.")
    ] = None
    cors: Annotated[
        str | None,
        typer.Option(
            "--access-control-allow-origins",
            "--access_control_allow_origins",
            metavar="ORIGINS",
            help="Origins whose pages may call it, by commas.",
        ),
    ] = None


@dataclass(frozen=True)
class How:
    """How it is served."""

    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 5001
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1"
    worker_count: Annotated[
        int, typer.Option("--worker-count", "--worker_count", min=1, max=256, envvar="WORKER_COUNT", help="Processes.")
    ] = 1
    reload: Annotated[bool, typer.Option("--reload", help="Load the code anew when it changes.")] = False
    debug: Annotated[bool, typer.Option("--debug", help="Listen for a debugger (debugpy) on port 5678.")] = False
    wait_for_debugger: Annotated[
        bool, typer.Option("--wait-for-debugger", help="--debug, and load nothing before one is there.")
    ] = False

    @property
    def debugged(self) -> bool:
        return self.debug or self.wait_for_debugger


@command(
    app,
    "serve",
    example="penstock serve --entry-script score.py --model-dir model/ --reload\n"
    "penstock serve -m models:/fraud/3\npenstock serve -m runs:/0123456789abcdef/model --port 8000",
    ignored=("--appinsights_instrumentation_key=",),
)
def serve(*, what: What, surroundings: With, how: How) -> Any:
    """Serve a script or an MLflow model on this machine until Ctrl-C, as a deployment would."""
    from penstock.desk.imports import import_folder, interpreter
    from penstock.desk.pythons import active_python
    from penstock.desk.serving import Service, bind, serve
    from penstock.outside import open_environments

    if (what.entry_script is None) is (what.model is None):
        raise invalid("give one of --entry-script and --model")
    if how.debugged and how.worker_count > 1:
        raise invalid("a debugger needs one process: leave --worker-count out")
    settings = from_environment()
    given = _variables(surroundings)
    with bind(how.host, how.port) as bound, tempfile.TemporaryDirectory(prefix="penstock-imports-") as folder:
        environments = open_environments(settings)
        own = surroundings.python or active_python(settings.environ)
        found = None if what.model is None else _model(what.model, own, settings, environments)
        path = _built(surroundings, found, environments) or own.expanduser().absolute()
        python = interpreter(path, settings.environ, [_DEBUGGER])
        if how.debugged and not python.has(_DEBUGGER):
            raise invalid(f"--debug needs debugpy, which {python} lacks: {path} -m pip install debugpy")
        imports = import_folder(python, Path(folder) / "imports", settings.environ)
        variables = {**settings.environ, **given, **_contract(what, found)}
        variables["PYTHONPATH"] = ":".join(filter(None, (str(imports), variables.get("PYTHONPATH"))))
        url = f"http://{f'[{how.host}]' if ':' in how.host else how.host}:{bound.getsockname()[1]}"
        service = Service(
            member=lambda listening: _member(python, variables, how, listening),
            count=how.worker_count,
            watched=_watched(what, found) if how.reload else None,
            alone=how.debugged,
            greeting=_greeting(url, what, found, python),
        )
        if how.debugged:
            waits = "; nothing is loaded before one is there" if how.wait_for_debugger else ""
            notice(f"a debugger may attach to 127.0.0.1:{_DEBUGGER_PORT}{waits}")
        serve(service, bound, notice)


def _model(text: str, python: Path, settings: Settings, environments: "UvEnvironments") -> "FoundModel":
    from penstock.desk.models import find_model
    from penstock.desk.pythons import mlflow_python

    return find_model(text, settings, lambda: mlflow_python(python, settings.environ, environments, notice))


def _built(surroundings: With, found: "FoundModel | None", environments: "UvEnvironments") -> Path | None:
    """The interpreter of an environment made from the file that is named, or from what the model needs."""
    from penstock.desk.pythons import built_python, model_requirements

    if surroundings.python is not None:
        return None
    if surroundings.conda_file is not None:
        from penstock.cli.patients import read_patient

        patient = read_patient(surroundings.conda_file)
        if patient.environment is None or isinstance(patient.environment, str):
            raise invalid(f"{surroundings.conda_file} does not list packages: give a conda or requirements file")
        return built_python(environments, environments.read(patient.environment), notice)
    return None if found is None else built_python(environments, model_requirements(found.folder), notice)


def _variables(surroundings: With) -> dict[str, str]:
    """The user's own, and those of the contract that have a flag of Azure's server."""
    given: dict[str, str] = {}
    if surroundings.env_file is not None:
        given |= _read_variables(surroundings.env_file)
    given |= pairs("--env", surroundings.env)
    if surroundings.config_file is not None:
        given["AZUREML_CONFIG_FILE"] = str(_existing(surroundings.config_file))
    if surroundings.cors is not None:
        given["AML_CORS_ORIGINS"] = surroundings.cors
    return given


def _read_variables(file: Path) -> Mapping[str, str]:
    lines = _existing(file).read_text(encoding="utf-8-sig").splitlines()
    written = [line.strip().removeprefix("export ") for line in lines if line.strip() and line.strip()[0] != "#"]
    found = pairs(f"{file}:", written)
    return {key.strip(): _unquoted(value.strip()) for key, value in found.items()}


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _contract(what: What, found: "FoundModel | None") -> dict[str, str]:
    """The contract's variables; None of those that another process of ours was started with."""
    unset = dict.fromkeys((contract.SOCKET, contract.LOG, contract.MLFLOW_MODEL, contract.ENTRY_SCRIPT), "")
    here = Path.cwd()
    if found is not None:
        names = {contract.MODEL_NAMES: found.name, contract.MODEL_VERSION: found.version}
        return {**unset, **names, contract.APP_ROOT: str(here), contract.MLFLOW_MODEL: str(found.folder)}
    script = _existing(Path(str(what.entry_script)))
    root = here if here in script.parents else script.parent
    told = {
        contract.APP_ROOT: str(root),
        contract.ENTRY_SCRIPT: str(script.relative_to(root)),
        contract.SOURCE_DIRECTORY: str(script.parent.relative_to(root)),
        contract.MODEL_NAMES: script.stem,
    }
    model = {} if what.model_dir is None else {contract.MODEL_DIR: str(_existing(what.model_dir))}
    return {**unset, **told, **model}


def _member(python: "Interpreter", variables: Mapping[str, str], how: How, listening: int) -> "Member":
    from penstock.desk.crew import Member

    debugger: tuple[str, ...] = ()
    if how.debugged:
        debugger = ("-m", _DEBUGGER, "--listen", f"127.0.0.1:{_DEBUGGER_PORT}")
        debugger += ("--wait-for-client",) if how.wait_for_debugger else ()
        # Modules that are frozen into the interpreter have no lines to stop at.
        debugger = ("-Xfrozen_modules=off", *debugger) if python.version >= (3, 11) else debugger
    return Member(
        argv=(str(python.path), *debugger, "-m", "penstock_worker"),
        environment={**variables, contract.WORKER_COUNT: "1", "PYTHONUNBUFFERED": "1"},
        folder=Path(variables[contract.APP_ROOT]),
        listening=listening,
    )


def _watched(what: What, found: "FoundModel | None") -> Path:
    return found.folder if found is not None else Path(str(what.entry_script)).absolute().parent


def _greeting(url: str, what: What, found: "FoundModel | None", python: "Interpreter") -> str:
    name = str(what.entry_script) if found is None else found.name
    body = """'{"data": [[1, 2, 3]]}'""" if found is None else """'{"input_data": [[1, 2, 3]]}'"""
    folder = found.folder if found is not None else Path(str(what.entry_script)).parent
    for file in (*contract.SAMPLE_FILES, "serving_input_example.json"):
        if (folder / file).is_file():
            body = f"@{folder / file}"
            break
    return (
        f"{url}/score serves {name} with {python}; Ctrl-C ends it\n"
        f"try: curl -H 'Content-Type: application/json' -d {body} {url}/score"
    )


def _existing(path: Path) -> Path:
    found = path.expanduser().absolute()
    if not found.exists():
        raise invalid(f"there is no {path}")
    return found
