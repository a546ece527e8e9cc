"""`penstock data-collection`: what deployments have collected of their requests."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.command import command, noun
from penstock.cli.connection import connect
from penstock.cli.flags import EndpointName
from penstock.cli.show import table
from penstock.domain.durations import duration
from penstock.domain.errors import invalid

NOUN = "data-collection"
app = noun("What deployments have collected of their requests.")

_FORMS = ("jsonl", "parquet", "csv")

_Deployment = Annotated[str, typer.Option("--deployment-name", "-d", help="The deployment.", show_default=False)]
_Collection = Annotated[
    str | None, typer.Option("--collection", "-c", help="A collection; else the inputs, each row with its output.")
]
_Format = Annotated[str, typer.Option("--format", help="jsonl, parquet or csv.")]
_OptionalFile = Annotated[
    Path | None, typer.Option("--file", "-f", help="Where to write.  [default: COLLECTION.FORMAT]")
]


@dataclass(frozen=True)
class _Window:
    """Flags that say which records are meant."""

    from_: Annotated[
        str, typer.Option("--from", help="First moment: a time in ISO 8601 (UTC), or for how long, as 7d.")
    ] = "1d"
    to: Annotated[str | None, typer.Option("--to", help="The moment before which to end.  [default: now]")] = None

    def moments(self, now: datetime) -> tuple[datetime, datetime]:
        return _moment(self.from_, now), now if self.to is None else _moment(self.to, now)


@command(
    app,
    "list",
    example="penstock data-collection list -e fraud -d blue",
    text=table("name", "records", "bytes", "first", "last"),
)
def list_(endpoint_name: EndpointName, deployment_name: _Deployment) -> Any:
    """List a deployment's collections: how many records, their size, the last one."""
    with connect() as client:
        return [each.model_dump(mode="json") for each in client.collections.list(endpoint_name, deployment_name)]


@command(
    app,
    "download",
    example="penstock data-collection download -e fraud -d blue --from 7d\n"
    "penstock data-collection download -e fraud -d blue -c model_inputs --from 2026-03-01 --to 2026-03-02 --format csv",
    text=table("path", "bytes"),
)
def download(
    *,
    endpoint_name: EndpointName,
    deployment_name: _Deployment,
    collection: _Collection = None,
    window: _Window,
    format_: _Format = "parquet",
    file: _OptionalFile = None,
) -> Any:
    """Write the records of a window of time into a file, a row for each row of data."""
    if format_ not in _FORMS:
        raise invalid(f"--format {format_!r} is not one of {', '.join(_FORMS)}")
    start, end = window.moments(datetime.now(UTC))
    path = file or Path(f"{collection or 'joined'}.{format_}")
    with connect() as client:
        pieces = client.collections.records(endpoint_name, deployment_name, collection, start, end, form=format_)
        first = next(pieces, b"")  # what is refused must not leave an empty file
        with path.open("wb") as stream:
            size = stream.write(first) + sum(stream.write(piece) for piece in pieces)
    return {"path": str(path.absolute()), "bytes": size}


def _moment(text: str, now: datetime) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return now - duration(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
