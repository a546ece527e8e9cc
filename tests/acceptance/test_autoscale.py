"""Autoscales as users write them, and the simulator held against what really happens."""

import itertools
import json
import time
from array import array
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest
from support.callers import write_yaml
from support.running import ECHO, Platform, a_platform, wait_until, write_deployment, write_endpoint

from penstock.domain.autoscale import Autoscale
from penstock.domain.fields import parse
from penstock.online.simulated_fleet import Model
from penstock.online.simulation import simulate

SERVICE = 0.04
SCRIPT = ECHO.replace("    return", f"    import time\n    time.sleep({SERVICE})\n    return")
POLICY = {
    "type": "autoscale",
    "endpoint_name": "fraud",
    "deployment_name": "blue",
    "min": 1,
    "max": 5,
    "concurrency": {"stable_window": "8s", "panic_window": "4s"},
}
KUBERNETES = {"type": "target_utilization", "min_instances": 1, "max_instances": 2, "target_utilization_percentage": 60}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("autoscale")


@pytest.fixture(scope="module")
def platform(folder: Path) -> Generator[Platform]:
    files = folder / "site"
    write_yaml(files / "autoscale.yml", POLICY)
    write_deployment(files, "fraud", "blue", script=SCRIPT)
    write_deployment(files, "fraud", "green", extra={"scale_settings": KUBERNETES, "type": "kubernetes"})
    write_endpoint(files, "fraud")
    with a_platform(folder / "home") as platform:
        planned = platform.json("plan", "-f", files)
        assert {row["name"]: row["change"] for row in planned}["fraud/blue"] == "created"
        platform.run("apply", "-f", files)
        yield platform


def shown(platform: Platform, name: str) -> dict[str, Any]:
    return platform.json("autoscale", "show", "-n", name)


def test_files_say_it_and_what_was_decided_is_shown_with_its_reason(platform: Platform, folder: Path) -> None:
    wait_until(lambda: platform.seen("autoscales/fraud/blue")["status"]["reason"])
    blue = shown(platform, "fraud/blue")
    assert (blue["provisioning_state"], blue["wanted"], blue["profile"]) == ("Succeeded", 1, "default")
    assert blue["reason"].startswith("1 instance")
    again = {row["name"]: row["change"] for row in platform.json("plan", "-f", folder / "site" / "autoscale.yml")}
    assert again == {"fraud/blue": "unchanged"}


def test_scale_settings_of_a_kubernetes_deployment_act_and_cannot_be_deleted_from_beside(platform: Platform) -> None:
    green = shown(platform, "fraud/green")
    assert (green["min"], green["max"], green["source"]) == (1, 2, "scale_settings")
    assert green["concurrency"]["target_utilization_percentage"] == 60
    refused = platform.run("autoscale", "delete", "-n", "fraud/green", "--yes", check=False)
    assert (refused.returncode, "scale_settings" in refused.stderr) == (4, True)


def test_azs_commands_change_rules_and_profiles(platform: Platform, folder: Path) -> None:
    setting = ("--autoscale-name", "green-scale")
    platform.run(
        "autoscale", "create", "-n", "green-scale", "--resource", "fraud/green", "--count", 2, "--max-count", 4
    )
    condition = ("--condition", "CpuUtilizationPercentage > 70 avg 5m")
    rule = platform.json("autoscale", "rule", "create", *setting, *condition, "--scale", "out", "2", "--cooldown", "3")
    assert (rule["index"], rule["condition"], rule["cooldown"]) == (0, condition[1], "3m")
    week = ("--recurrence", "week", "sat", "sun", "--timezone", "W. Europe Standard Time")
    profile = ("-n", "weekend", "--count", 1, "--min-count", 0, *week, "--copy-rules", "default")
    platform.run("autoscale", "profile", "create", *setting, *profile)
    rows = platform.json("autoscale", "profile", "list", *setting)
    assert [(row["name"], row["min"], row["max"], len(row["rules"])) for row in rows] == [
        ("default", 2, 4, 1),
        ("weekend", 0, 1, 1),
    ]
    platform.run("autoscale", "profile", "delete", *setting, "-n", "weekend")
    platform.run("autoscale", "rule", "delete", *setting, "--index", "*")
    assert platform.json("autoscale", "rule", "list", *setting) == []
    azure = {
        "type": "Microsoft.Insights/autoscaleSettings",
        "name": "green-scale",
        "properties": {
            "targetResourceUri": "/subscriptions/s/onlineEndpoints/fraud/deployments/green",
            "profiles": [
                {"name": "default", "capacity": {"minimum": "1", "maximum": "3", "default": "1"}, "rules": []}
            ],
        },
    }
    (folder / "azure.json").write_text(json.dumps(azure))
    platform.run("apply", "-f", folder / "azure.json")
    assert shown(platform, "green-scale")["max"] == 3
    platform.run("autoscale", "delete", "-n", "green-scale", "--yes")
    wait_until(lambda: shown(platform, "fraud/green")["source"] == "scale_settings")


def test_the_simulator_foretells_when_and_how_far_a_real_deployment_scales(platform: Platform) -> None:
    # In flight: 0.2, then 0.8, then 1.9 requests, where an instance is meant to have 0.7.
    arrivals = array("d", itertools.chain(evenly(5, 0, 4), evenly(20, 4, 11), evenly(45, 11, 22)))
    begun = datetime.now(UTC)
    answers, sent = replayed(platform, arrivals)
    real = [
        ((datetime.fromisoformat(event["at"]) - begun).total_seconds(), int(event["message"].split()[2]))
        for event in platform.json("events", "--limit", 200)
        if (event["name"], event["reason"]) == ("fraud/blue", "Scaled") and " -> " in event["message"]
    ]
    took = median(seconds for status, seconds in answers if status == 200)
    model = Model(service_seconds=took, service_spread=0.1, start_seconds=1.5)
    foretold = simulate(parse(Autoscale, POLICY, "policy"), sent, model, begun)
    assert [status for status, _ in answers if status != 200] == []
    assert foretold.lost == 0
    # Decisions come every two seconds, and later on a machine that has other work, as instances do: then to more.
    told = [(change.at, change.after) for change in foretold.changes]
    assert told[0][1] == 2 <= real[0][1], (real, told)
    assert real[0][0] == pytest.approx(told[0][0], abs=4), (real, told)
    most, least = max(real[-1][1], told[-1][1]), min(real[-1][1], told[-1][1])
    assert 3 <= least <= most <= 2 * least, (real, told)
    assert real[-1][0] == pytest.approx(told[-1][0], abs=6), (real, told)


def evenly(rate: float, start: float, end: float) -> Sequence[float]:
    return [start + n / rate for n in range(round((end - start) * rate))]


def replayed(platform: Platform, arrivals: Sequence[float]) -> tuple[list[tuple[int, float]], "array[float]"]:
    """Send a request at each of the times: status and seconds of the answers, and when they were sent indeed."""
    url = f"http://127.0.0.1:{platform.gateway_port}/endpoints/fraud/score"
    headers = {"Authorization": f"Bearer {platform.key('fraud')}", "azureml-model-deployment": "blue"}
    with httpx.Client(headers=headers, timeout=60) as client, ThreadPoolExecutor(24) as pool:

        def score(_: int) -> tuple[int, float]:
            began = time.monotonic()
            return client.post(url, content=b"{}").status_code, time.monotonic() - began

        begun, futures, sent = time.monotonic(), [], array("d")
        for number, at in enumerate(arrivals):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            sent.append(time.monotonic() - begun)
            futures.append(pool.submit(score, number))
        return [future.result() for future in futures], sent
