"""What is said of a contract, and the files by which instances learn of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from penstock.control.resources import Resources
from penstock.domain.contract import CONTRACT, Contract
from penstock.domain.deployment import ONLINE_DEPLOYMENT, OnlineDeployment
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.resource import Truth
from penstock.online.contract_files import ContractFiles
from penstock.online.contract_reconciler import verdict
from penstock.online.places import Places
from penstock.store.sql import open_store
from penstock.testing.clock import ManualClock


def a_contract(**changes: Any) -> Contract:
    rules = [{"name": "r", "check": "age > column('years of work')"}]
    return parse(Contract, {"endpoint_name": "fraud", "columns": {"age": None}, "rules": rules, **changes}, "c")


@pytest.mark.parametrize(
    ("followers", "truth", "said"),
    [
        ({}, Truth.TRUE, "endpoint 'fraud' has no deployment yet"),
        ({"blue": ()}, Truth.TRUE, "blue: instances take it up"),
        ({"blue": ("age", "years of work")}, Truth.TRUE, "blue: instances take it up"),
        (
            {"blue": ("Age", "x")},
            Truth.FALSE,
            "column 'age' is not in the signature of blue's model (did you mean 'Age'?)",
        ),
    ],
)
def test_what_is_said_of_a_contract(followers: dict[str, tuple[str, ...]], truth: Truth, said: str) -> None:
    found, _, message = verdict(a_contract(), followers)
    assert found is truth
    assert message.startswith(said)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": {"a": {"minimun": 1}}}, "did you mean 'minimum'?"),
        ({"columns": {"a": {"minimum": 2, "maximum": 1}}}, "minimum 2 is above maximum 1"),
        ({"columns": {"a": {"pattern": "(a+)+"}}}, "column 'a': pattern '(a+)+' repeats"),
        ({"rules": [{"name": "r", "check": "a.b > 1"}]}, "rule 'r': Attribute is not allowed"),
        ({"rules": [{"name": "r", "check": "a > 1"}] * 2}, "rule 'r' stands here twice"),
        ({"mode": "loud"}, "mode"),
    ],
)
def test_what_instances_would_not_understand_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PenstockError) as error:
        a_contract(**changes)
    assert said in error.value.message


def test_each_deployment_gets_the_contracts_that_hold_for_it(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    resources = Resources(store, ManualClock(), lambda _: None)
    places = Places(run=tmp_path / "run", logs=tmp_path, collected=tmp_path)
    files = ContractFiles(resources, places)
    code = {"code": "./code", "scoring_script": "score.py"}
    deployment = parse(OnlineDeployment, {"code_configuration": code}, "d")
    for name in ("fraud/blue", "fraud/green", "other/blue"):
        resources.apply(ONLINE_DEPLOYMENT, name, deployment, actor="test")
    resources.apply(CONTRACT, "all", a_contract(name="all"), actor="test")
    resources.apply(CONTRACT, "one", a_contract(name="one", deployment_name="blue", mode="warn"), actor="test")

    def told(endpoint: str, deployment: str) -> list[tuple[str, str]]:
        path = places.contracts(endpoint, deployment)
        contracts = json.loads(path.read_text())["contracts"] if path.exists() else []
        return [(contract["name"], contract["mode"]) for contract in contracts]

    files.deliver_all()
    assert told("fraud", "blue") == [("all", "enforce"), ("one", "warn")]
    assert told("fraud", "green") == [("all", "enforce")]
    assert told("other", "blue") == []
    resources.delete(CONTRACT, "all", actor="test")
    files.deliver_all()
    assert told("fraud", "blue") == [("one", "warn")]
    assert told("fraud", "green") == []
    store.close()
