"""`penstock autoscale simulate`, without a platform."""

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from penstock.cli.main import root

EXAMPLES = Path(__file__).parents[3] / "examples" / "autoscale"


def simulated(*words: str) -> tuple[int, str, str]:
    line = ["autoscale", "simulate", *words]
    result = CliRunner().invoke(root(line), line)
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("policy", ["busy", "rules", "office-hours"])
def test_the_examples_are_simulated_to_a_picture_and_tables(tmp_path: Path, policy: str) -> None:
    trace, out = EXAMPLES / "spike.csv", tmp_path / "out"
    code, text, err = simulated("--trace", str(trace), "--policy", str(EXAMPLES / f"{policy}.yml"), "--out", str(out))
    assert code == 0, err
    told = json.loads(text)
    assert told["requests"] == told["answered"] + told["lost"] == 15600
    assert set(told["curves"]) == {"requests_per_second", "instances", "waiting", "p99_ms"}
    picture = ElementTree.fromstring((out / "simulation.svg").read_text())
    assert len(picture.findall(".//{*}path")) == 7
    assert "15,600 requests" in "".join(picture.itertext())
    with (out / "timeline.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert max(float(row["rate"]) for row in rows) > 100
    hours = [float(row["instance_hours"]) for row in rows]
    assert hours == sorted(hours)
    assert hours[-1] == pytest.approx(told["instance_hours"], rel=0.01)
    with (out / "decisions.csv").open() as file:
        assert len(list(csv.DictReader(file))) == told["changes"]


def test_people_see_curves() -> None:
    policy = str(EXAMPLES / "busy.yml")
    code, text, _ = simulated(
        "--trace", str(EXAMPLES / "ramp.csv"), "--policy", policy, "--price", "0.5", "-o", "table"
    )
    assert code == 0
    assert "█" in text.splitlines()[-3]
    assert any(line.startswith("cost ") for line in text.splitlines())


@pytest.mark.parametrize(
    "flag", ["--service-ms=inf", "--service-ms=1e9", "--wait-ms=1e12", "--cores=inf", "--price=inf"]
)
def test_numbers_that_nothing_can_be_are_refused(flag: str) -> None:
    trace, policy = str(EXAMPLES / "quiet.csv"), str(EXAMPLES / "busy.yml")
    code, _, err = simulated("--trace", trace, "--policy", policy, flag)
    assert code == 2
    assert flag.partition("=")[0] in err


def test_what_is_not_simulated_is_said(tmp_path: Path) -> None:
    policy = tmp_path / "p.yml"
    rule = "{condition: CpuMemoryUtilizationPercentage > 80 avg 5m, scale: out 1}"
    policy.write_text(f"type: autoscale\nmax: 2\nrules: [{rule}]\n")
    code, _, err = simulated("--trace", str(EXAMPLES / "quiet.csv"), "--policy", str(policy))
    assert code == 0
    assert "memory is not simulated" in err
