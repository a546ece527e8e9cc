"""The `penstock` command. Only the noun that is asked for is imported, so that help and errors come at once."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import typer

from penstock.cli.words import regrouped


class _Entry(NamedTuple):
    module: str  # below penstock.cli; has `app`
    help: str


_COMMANDS = {
    "up": _Entry("up", "Start the platform on this machine."),
    "down": _Entry("up", "Stop the platform of this machine."),
    "status": _Entry("up", "Show what runs."),
    "install-service": _Entry("service", "Have systemd run the platform."),
    "uninstall-service": _Entry("service", "Have systemd run it no longer."),
    "serve": _Entry("serve", "Serve a script or model from this terminal, without a platform."),
    "online-endpoint": _Entry("online_endpoint", "Endpoints: stable URLs with keys and a traffic split."),
    "online-deployment": _Entry("online_deployment", "Deployments: models that serve behind an endpoint."),
    "batch-endpoint": _Entry("batch_endpoint", "Batch endpoints: stable names under which data is scored in jobs."),
    "batch-deployment": _Entry("batch_deployment", "Batch deployments: what jobs of a batch endpoint run."),
    "job": _Entry("job", "Jobs: data that is being scored, or was."),
    "compute": _Entry("compute", "Computes: how much of the machine batch jobs may take."),
    "data-collection": _Entry("data_collection", "What deployments have collected of their requests."),
    "model": _Entry("model", "Registered models."),
    "contract": _Entry("contract", "Contracts: what the rows of requests must be."),
    "rollout": _Entry("rollout", "Rollouts: a new deployment gets the traffic step by step."),
    "shadow": _Entry("shadow", "Shadows: how answers to copies of requests compare with the live ones."),
    "golden": _Entry("golden", "Golden requests: requests with the answers that a deployment must give."),
    "autoscale": _Entry("autoscale", "Autoscales: how many instances a deployment has, and when."),
    "image": _Entry("image", "Container images: build, extend, send to a registry."),
    "data": _Entry("data", "Data assets: names and versions for files and folders."),
    "datastore": _Entry("datastore", "Datastores: named places for data, and what opens them."),
    "environment": _Entry("environment", "Registered environments."),
    "webhook": _Entry("webhook", "Webhooks: recorded events, sent to a URL as signed CloudEvents."),
    "apply": _Entry("apply", "Make everything be as the files say, in any order."),
    "plan": _Entry("apply", "Show what apply would change, field by field."),
    "rollback": _Entry("rollback", "Go back: earlier traffic, an earlier spec, everything as at an event."),
    "doctor": _Entry("doctor", "Say why a deployment is slow, and how much it can take."),
    "metrics": _Entry("metrics", "Show what each instance does."),
    "events": _Entry("events", "Show who changed what, and what came of it."),
}
_EPILOG = """\b
Example:
  penstock up --detach
  penstock apply -f my-endpoint/
  penstock online-endpoint invoke -n my-endpoint -r request.json
"""


def main() -> None:
    """Run the command line of this process."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that the terminal cannot show must not end the command
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore
    words = regrouped(sys.argv[1:])
    root(words)(words, prog_name="penstock")


def root(words: Sequence[str]) -> typer.Typer:
    """The whole command line, in which only what `words` ask for is more than its name and help."""
    app = typer.Typer(
        help="Deploy, serve and watch models on your own machines, with Azure Machine Learning's own files.",
        epilog=_EPILOG,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
    )
    chosen = _COMMANDS.get(next((word for word in words if not word.startswith("-")), ""))
    for name, entry in _COMMANDS.items():
        if chosen is None or entry.module != chosen.module:
            app.command(name, help=entry.help)(_not_loaded)
    if chosen is not None:
        module = import_module(f"penstock.cli.{chosen.module}")
        app.add_typer(module.app, name=module.NOUN)
    return app


def _not_loaded() -> None:
    """Stands for the commands that this command line does not ask for."""
