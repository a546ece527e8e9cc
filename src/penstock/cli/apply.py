"""`penstock apply` and `penstock plan`: files of any kind, in any order."""

from typing import Annotated, Any

import typer

from penstock.cli.application import Application
from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.documents import read_all
from penstock.cli.errors import exit_code, report
from penstock.cli.flags import Files, NoWait
from penstock.cli.previews import plan_text, previewed
from penstock.cli.sequence import sequenced
from penstock.cli.show import table

NOUN = None  # the commands stand alone
app = noun("")

_ExitCode = Annotated[bool, typer.Option("--exit-code", help="End with 1 if there is something to do.")]


@command(
    app,
    "apply",
    example="penstock apply -f my-endpoint/\npenstock apply -f endpoint.yml -f blue.yml -f green.yml",
    text=table("kind", "name", "change", "state"),
)
def apply(file: Files, no_wait: NoWait = False) -> Any:
    """Make everything be as the files say: environments and models, endpoints, contracts, deployments, then traffic."""
    plan = sequenced(read_all(file))
    with connect() as client:
        application = Application(client, no_wait=no_wait)
        application.run(plan)
    for error in application.errors:
        report(error)
    return Outcome(application.rows(), exit_code(application.errors[0]) if application.errors else 0)


@command(app, "plan", example="penstock plan -f my-endpoint/", text=plan_text)
def plan(file: Files, with_exit_code: _ExitCode = False) -> Any:
    """Show what apply would create or change, field by field; nothing is changed or uploaded."""
    documents = sequenced(read_all(file)).documents
    with connect() as client:
        rows = [previewed(client, document) for document in documents]
    changes = any(row["change"] != "unchanged" for row in rows)
    return Outcome(rows, 1 if with_exit_code and changes else 0)
