"""A contract guards what runs already: bad rows are refused as a whole, or counted, and nothing is restarted."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
from support.callers import a_caller, write_yaml
from support.running import Platform, a_platform, wait_until, write_deployment

SUM = """
import json, os

def init():
    pass

def run(raw_data):
    rows = json.loads(raw_data)["input_data"]
    return {"pid": os.getpid(), "ages": [row.get("age") for row in rows]}
"""
TRAINING = "age,colour,code,label\n" + "".join(
    f"{20 + at % 50},{('red', 'green')[at % 2]},AB-{1000 + at},{at % 2}\n" for at in range(100)
)
GOOD = {"age": 30, "colour": "red", "code": "AB-1234"}
BAD = {"age": 300, "colour": "blue", "code": "x"}


def test_a_learned_contract_guards_running_instances_without_a_restart(tmp_path: Path) -> None:
    with a_platform(tmp_path / "home") as platform, serving(platform, tmp_path) as caller:
        pid = caller.score(body(BAD)).json()["pid"]

        learned = tmp_path / "contract.yml"
        data = tmp_path / "train.csv"
        data.write_text(TRAINING)
        flags = ("--target", "label", "-n", "people", "-e", "rough", "--output-file", learned)
        platform.run("contract", "learn", "--data", data, *flags)
        assert "100 rows" in learned.read_text()
        data.write_text(TRAINING + "300,blue,x,1\n")
        checked = platform.run("contract", "check", "-f", learned, "--data", data, "-o", "json", check=False)
        assert checked.returncode == 0  # it warns, so that nothing would be refused
        assert {found["rule"] for found in json.loads(checked.stdout)} == {"age.range", "colour.values", "code.pattern"}

        assert platform.json("plan", "-f", learned)[0]["change"] == "created"
        platform.run("apply", "-f", learned)
        wait_until(lambda: "x-penstock-contract" in caller.score(body(BAD)).headers)
        assert caller.score(body(GOOD, BAD)).headers["x-penstock-contract"] == "3 violations"
        assert "x-penstock-contract" not in caller.score(body(GOOD)).headers

        platform.run("contract", "update", "-n", "people", "--set", "mode=enforce")
        wait_until(lambda: caller.score(body(BAD)).status_code == 400)
        error = caller.score(body(GOOD, BAD, {"age": None, "code": "AB-1"})).json()["error"]
        assert {(d.get("row"), d["column"], d["got"]) for d in error["details"]} == {
            (1, "age", "the number 300"),
            (1, "colour", "the string 'blue'"),
            (1, "code", "the string 'x'"),
            (2, "age", "null"),
            (2, "colour", "null"),
            (2, "code", "the string 'AB-1'"),
        }
        assert caller.score(body(GOOD)).status_code == 200

        platform.run("contract", "update", "-n", "people", "--set", "mode=shadow")
        wait_until(lambda: caller.score(body(BAD)).status_code == 200)
        assert caller.score(body(BAD)).json()["ages"] == [300]
        assert "x-penstock-contract" not in caller.score(body(BAD)).headers
        assert counted(pid, 'mode="shadow",rule="age.range"') >= 2

        shown = platform.json("contract", "show", "-n", "people")
        assert (shown["deployments"], shown["reason"]) == (["blue"], "InForce")
        platform.run("contract", "delete", "-n", "people", "--yes")
        assert platform.json("contract", "list") == []
        assert caller.score(body(GOOD)).json()["pid"] == pid


def serving(platform: Platform, folder: Path) -> Any:
    write_yaml(folder / "files" / "endpoint.yml", {"name": "rough", "auth_mode": "key", "traffic": {"blue": 100}})
    write_deployment(folder / "files", "rough", "blue", script=SUM)
    platform.run("apply", "-f", folder / "files")
    return a_caller(platform, "rough")


def body(*rows: Mapping[str, Any]) -> str:
    return json.dumps({"input_data": rows})


def counted(pid: int, labels: str) -> float:
    """What the instance has counted of these violations."""
    transport = httpx.HTTPTransport(uds=psutil.Process(pid).environ()["PENSTOCK_SOCKET"])
    with httpx.Client(transport=transport) as http:
        page = http.get("http://instance/metrics").text
    found = re.search(r"penstock_contract_violations_total\{[^}]*" + re.escape(labels) + r"[^}]*\} (\S+)", page)
    assert found is not None, page
    return float(found[1])
