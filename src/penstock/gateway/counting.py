"""What the running gateway has counted, parsed from the answers of its admin socket."""

import csv
from collections.abc import Mapping, Sequence

from penstock.gateway.backends import INNER_SERVERS
from penstock.gateway.base import Counts, ServerLoad, Tally
from penstock.gateway.maps import deployment_name

# Failures first: each is counted before its answer is. 6: backends and servers.
COMMANDS = ("show failures", "show info", "show stat -1 6 -1")

_CLASSES = tuple(f"hrsp_{name}" for name in ("1xx", "2xx", "3xx", "4xx", "5xx", "other"))


def parse_tally(text: str, *, finishing: bool) -> Tally:
    """What one process says to all of `COMMANDS` in one answer. Raises ValueError if it is not that."""
    failures, _, rest = text.partition("Name: ")
    info, _, stat = rest.partition("# pxname")
    if not stat:
        raise ValueError("these are no counts of a gateway")
    return _tally(info, f"# pxname{stat}", failures, finishing=finishing)


def _tally(info: str, stat: str, failures: str, *, finishing: bool) -> Tally:
    faults = _faults(failures)
    rows = _rows(stat)
    servers: dict[str, dict[str, ServerLoad]] = {}
    for row in rows:
        if row["svname"] not in ("BACKEND", *INNER_SERVERS):
            servers.setdefault(row["pxname"], {})[row["svname"]] = _load(row)
    return Tally(
        process=_process(info),
        finishing=finishing,
        deployments={
            deployment_name(row["pxname"]): _counts(row, faults, servers.get(row["pxname"], {}))
            for row in rows
            if row["svname"] == "BACKEND" and "." in row["pxname"]
        },
    )


def _process(info: str) -> str:
    """Pid and start: a pid may come again."""
    told = dict(line.split(": ", 1) for line in info.splitlines() if ": " in line)
    return f"{told.get('Pid', '')}@{told.get('Start_time_sec', '')}"


def _faults(failures: str) -> Mapping[tuple[str, str], int]:
    rows = (line.split() for line in failures.splitlines())
    return {(row[0], row[1]): int(row[2]) for row in rows if len(row) == 3}


def _rows(stat: str) -> Sequence[Mapping[str, str]]:
    return [row for row in csv.DictReader(stat.removeprefix("# ").splitlines()) if row.get("svname")]


def _counts(row: Mapping[str, str], faults: Mapping[tuple[str, str], int], servers: Mapping[str, ServerLoad]) -> Counts:
    name = row["pxname"]
    return Counts(
        answered=sum(_number(row, status) for status in _CLASSES),
        refused=faults.get(("refused", name), 0),
        failed=faults.get(("failed", name), 0) + _number(row, "srv_abrt"),
        waiting=_number(row, "qcur"),
        servers=servers,
    )


def _load(row: Mapping[str, str]) -> ServerLoad:
    up = row["status"].startswith(("UP", "no check"))
    return ServerLoad(active=_number(row, "scur"), waiting=_number(row, "qcur"), up=up)


def _number(row: Mapping[str, str], name: str) -> int:
    return int(row.get(name) or 0)
