"""One run from beginning to end: data and models, the platform, rounds in which the sides take turns, tables."""

import dataclasses
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ledger_cost
import sides
import table
from cases import CASES, Case
from commands import CommandError
from data import data, models
from measured import Measured, SideError
from penstock_side import ONE_FILE, PARTS, Penstock
from sides import BARE_LOOP, ENVIRONMENT, LIMIT, PEERS_BY_NAME, Found, Side, Stage

LONG = 10  # times as many rows


@dataclass(frozen=True, kw_only=True)
class Options:
    rows: int
    cases: Sequence[str]
    peers: Sequence[str]
    rounds: int
    peer_rounds: int
    penstock: bool
    long: bool
    output: Path | None
    environments: Path
    builds: Path


@dataclass
class Results:
    measured: list[Measured] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    ledger: dict[str, dict[str, float]] = field(default_factory=dict)


def session(options: Options) -> None:
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    for name in options.peers:
        sides.python(PEERS_BY_NAME[name].environment, options.environments)
    stage = made_stage(options.environments, options.builds, options.rows, folder)
    penstock, results = None, Results()
    try:
        if options.penstock:
            penstock = Penstock(folder / "penstock", stage)
            penstock.up()
        _rounds(options, stage, penstock, results)
        if penstock is not None and options.long:
            _long(options, stage, penstock, results)
    finally:
        if penstock is not None:
            penstock.down()
            _ledger(penstock, results)
        shutil.rmtree(folder, ignore_errors=True)
        _print(options, results)


def made_stage(environments: Path, builds: Path, rows: int, folder: Path) -> Stage:
    """With data and models, made where there are none."""
    python = sides.python(ENVIRONMENT, environments)
    return Stage(
        environments=environments,
        models=models(python, builds),
        data=data(python, rows, builds),
        tiny=data(python, sides.TINY_ROWS, builds),
        folder=folder,
    )


def _rounds(options: Options, stage: Stage, penstock: Penstock | None, results: Results) -> None:
    for number in range(1, options.rounds + 1):
        for name in options.cases:
            _turns(CASES[name], number, options, stage, penstock, results)
            _write(options, results)


def _turns(
    case: Case, number: int, options: Options, stage: Stage, penstock: Penstock | None, results: Results
) -> None:
    """Each side once, one after the other."""
    limit = BARE_LOOP if case.form == "script" else LIMIT
    expected = _measured(results, lambda: sides.measure(limit, case, stage, number), limit.name, case)
    if penstock is not None:
        for side in (PARTS,) if case.form == "script" else (PARTS, ONE_FILE):
            _measured(results, lambda side=side: penstock.measure(side, case, number), side, case, expected)
    if number <= options.peer_rounds:
        for peer in _peers(options, case):
            _measured(results, lambda peer=peer: sides.measure(peer, case, stage, number), peer.name, case, expected)


def _peers(options: Options, case: Case) -> list[Side]:
    return [PEERS_BY_NAME[name] for name in options.peers if case.form in PEERS_BY_NAME[name].forms]


def _measured(results: Results, measure: Any, side: str, case: Case, expected: Found | None = None) -> Found | None:
    """What the side's output holds; a side that fails, or does not agree with the limit, is named in the end."""
    try:
        measured, found = measure()
        if expected is not None and not found.agrees(expected):
            raise SideError(f"its output is {found}, the limit's {expected}")
    except (SideError, CommandError) as err:
        results.absent[f"{side}, {case.name}"] = str(err)
        print(f"    without {side} in {case.name}: {err}", flush=True)
        return None
    results.measured.append(measured)
    print(_said(measured), flush=True)
    return found


def _long(options: Options, stage: Stage, penstock: Penstock, results: Results) -> None:
    """Ten times the rows in one file, right after the rows themselves: what differs is the file alone."""
    more = data(stage.python(ENVIRONMENT), LONG * options.rows, options.builds, one_only=True)
    case = CASES["A one"]
    for number in range(options.rounds + 1, 2 * options.rounds + 1):
        for rows in (stage.data, more):
            penstock.use(dataclasses.replace(stage, data=rows))
            long = dataclasses.replace(case, label=f"{case.name}, {rows.rows:,} rows")
            _measured(results, lambda n=number, c=long: penstock.measure(PARTS, c, n), PARTS, long)


def _ledger(penstock: Penstock, results: Results) -> None:
    """The last job of every case."""
    jobs = {(m.case, m.side): m for m in results.measured if "job" in m.more}
    for (case, side), measured in jobs.items():
        results.ledger[f"{case} {side}"] = ledger_cost.again(penstock.database, measured)


def _said(m: Measured) -> str:
    """A line for whoever waits."""
    steady = f"{m.rows / m.steady:11,.0f}/s steady" if m.steady else " " * 20
    return (
        f"{time.strftime('%H:%M:%S')}  round {m.round}  {m.case:10}  {m.side:18} {steady}"
        f"  {m.rows / m.wall:9,.0f}/s in {m.wall:6.1f} s  {m.peak:6,.0f} MiB  cpu {m.cpu:6.1f} s"
    )


def _print(options: Options, results: Results) -> None:
    if not results.measured:
        return
    print(f"\n{os.cpu_count()} CPUs; {options.rows:,} rows; {options.rounds} rounds, of peers {options.peer_rounds}")
    print(table.results(results.measured))
    print(table.stages(results.measured))
    print(table.claims(results.measured))
    if results.ledger:
        print(table.ledger(results.ledger))
    for name, reason in results.absent.items():
        print(f"\nNot measured: {name}: {reason.splitlines()[0]}")


def _write(options: Options, results: Results) -> None:
    if options.output is not None:
        measured = [m.as_json() for m in results.measured]
        options.output.write_text(json.dumps({"measured": measured, "absent": results.absent}, indent=1))
