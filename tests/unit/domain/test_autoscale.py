"""What an autoscale's file may say: ours, and what Azure exports."""

import copy
from typing import Any

import pytest

from penstock.domain.autoscale import Autoscale
from penstock.domain.autoscale_azure import target
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse

_ROOT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
URI = f"{_ROOT}/onlineEndpoints/wine/deployments/blue"

# In the form that az exports; the two profiles at the end are such a pair as az and the portal make.
EXPORTED: dict[str, Any] = {
    "id": "/subscriptions/s/resourceGroups/g/providers/microsoft.insights/autoscalesettings/wine-scale",
    "name": "wine-scale",
    "type": "Microsoft.Insights/autoscaleSettings",
    "location": "westeurope",
    "tags": {"team": "cellar"},
    "properties": {
        "enabled": True,
        "targetResourceUri": URI,
        "notifications": [{"operation": "Scale", "email": {"customEmails": []}, "webhooks": []}],
        "predictiveAutoscalePolicy": {"scaleMode": "Disabled"},
        "profiles": [
            {
                "name": "default",
                "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
                "rules": [
                    {
                        "metricTrigger": {
                            "metricName": "CpuUtilizationPercentage",
                            "metricNamespace": "microsoft.machinelearningservices/workspaces",
                            "metricResourceUri": URI,
                            "timeGrain": "PT1M",
                            "statistic": "Average",
                            "timeWindow": "PT5M",
                            "timeAggregation": "Average",
                            "operator": "GreaterThan",
                            "threshold": 70,
                            "dimensions": [],
                            "dividePerInstance": False,
                        },
                        "scaleAction": {
                            "direction": "Increase",
                            "type": "ChangeCount",
                            "value": "2",
                            "cooldown": "PT1H",
                        },
                    },
                    {
                        "metricTrigger": {
                            "metricName": "RequestLatency_P90",
                            "metricResourceUri": f"{_ROOT}/onlineEndpoints/wine",
                            "timeGrain": "0:01:00",
                            "statistic": "Max",
                            "timeWindow": "0:10:00",
                            "timeAggregation": "Maximum",
                            "operator": "LessThanOrEqual",
                            "threshold": 70.5,
                        },
                        "scaleAction": {"direction": "Decrease", "type": "PercentChangeCount", "value": "25"},
                    },
                ],
            },
            {
                "name": "fair",
                "capacity": {"minimum": "4", "maximum": "9", "default": "4"},
                "rules": [],
                "fixedDate": {
                    "timeZone": "Pacific Standard Time",
                    "start": "2026-12-01T08:00:00Z",
                    "end": "2026-12-03T20:00:00Z",
                },
            },
            {
                "name": "weekend",
                "capacity": {"minimum": "1", "maximum": "1", "default": "1"},
                "rules": [],
                "recurrence": {
                    "frequency": "Week",
                    "schedule": {
                        "timeZone": "W. Europe Standard Time",
                        "days": ["Saturday", "Sunday"],
                        "hours": [0],
                        "minutes": [0],
                    },
                },
            },
            {
                "name": '{"name": "default", "for": "weekend"}',
                "capacity": {"minimum": "2", "maximum": "5", "default": "2"},
                "rules": [],
                "recurrence": {
                    "frequency": "Week",
                    "schedule": {
                        "timeZone": "W. Europe Standard Time",
                        "days": ["Saturday", "Sunday"],
                        "hours": [23],
                        "minutes": [59],
                    },
                },
            },
        ],
    },
}


def exported(**changes: Any) -> dict[str, Any]:
    """What Azure exports, with fields of its properties changed."""
    fields = copy.deepcopy(EXPORTED)
    fields["properties"] |= changes
    return fields


def test_what_azure_exports_is_understood() -> None:
    spec = parse(Autoscale, EXPORTED, "f.json")
    assert (spec.name, spec.endpoint_name, spec.deployment_name) == ("wine-scale", "wine", "blue")
    assert (spec.min, spec.max, spec.default, spec.tags, spec.ignored) == (2, 5, 2, {"team": "cellar"}, ())
    assert [rule.model_dump(mode="json") for rule in spec.rules] == [
        {
            "condition": "CpuUtilizationPercentage > 70 avg 5m",
            "scale": "out 2",
            "cooldown": "1h",
            "timegrain": "avg 1m",
            "per_instance": False,
        },
        {
            "condition": "RequestLatency_P90 <= 70.5 max 10m",
            "scale": "in 25%",
            "cooldown": "5m",
            "timegrain": "max 1m",
            "per_instance": False,
        },
    ]
    assert [profile.name for profile in spec.profiles] == ["fair", "weekend", '{"name": "default", "for": "weekend"}']
    assert spec.profiles[1].recurrence is not None
    assert spec.profiles[1].recurrence.days == ("sat", "sun")


def test_what_az_prints_without_properties_and_in_snake_case_is_understood_too() -> None:
    flat = {**EXPORTED, **EXPORTED["properties"]}
    del flat["properties"]
    assert parse(Autoscale, flat, "f.json") == parse(Autoscale, EXPORTED, "f.json")
    snake = {
        "target_resource_uri": URI,
        "profiles": [{"name": "a", "capacity": EXPORTED["properties"]["profiles"][0]["capacity"]}],
    }
    assert parse(Autoscale, snake, "f.json").max == 5


def test_our_own_fields_may_stand_beside_azures() -> None:
    spec = parse(Autoscale, {**EXPORTED, "endpoint_name": "here", "deployment_name": "green", "idle_time": "10m"}, "f")
    assert (spec.endpoint_name, spec.deployment_name) == ("here", "green")


def test_a_spec_survives_its_own_json() -> None:
    for fields in (EXPORTED, {"max": 3, "min": 0, "prewarm": [{"days": "weekdays", "start": "07:30", "end": "18:00"}]}):
        spec = parse(Autoscale, fields, "f")
        assert parse(Autoscale, spec.model_dump(mode="json"), "f") == spec


def test_who_would_be_notified_is_told_to_be_ignored_and_not_kept() -> None:
    hook = {"serviceUri": "https://example.org/hook?key=secret"}
    spec = parse(Autoscale, exported(notifications=[{"operation": "Scale", "webhooks": [hook]}]), "f")
    assert spec.ignored == ("notifications",)
    assert "secret" not in spec.model_dump_json()


@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"max": 2, "min": 3}, ["min must not be more than max"]),
        ({"max": 2, "default": 3}, ["default is 3"]),
        ({}, ["field 'max' is required"]),
        ({"max": 2, "maximum": 3}, ["unknown field 'maximum'"]),
        ({"max": 2, "rules": [{"condition": "Cpu > 1 avg 5m", "scale": "out 1"}]}, ["rules.0.condition", "not known"]),
        ({"max": 2, "profiles": [{"name": "a", "max": 2}]}, ["give fixed (start and end) or recurrence"]),
        ({"max": 2, "prewarm": [{"days": "daily", "start": "08:00"}]}, ["give the end"]),
        ({"max": 2, "idle_time": "3 minutes"}, ["field 'idle_time'", "write for example 5m"]),
        ({"max": 2, "concurrency": {"panic_window": "2m"}}, ["panic_window must not be longer"]),
        (
            exported(predictiveAutoscalePolicy={"scaleMode": "Enabled"}),
            ["predictiveAutoscalePolicy.scaleMode", "use `prewarm`"],
        ),
        (exported(profiles=[]), ["none is for all the time"]),
        (exported(targetResourceUri="/subscriptions/s/virtualMachines/v"), ["is no deployment"]),
        (exported(profile=[]), ["unknown field 'profile' (did you mean 'profiles'?)"]),
    ],
)
def test_faults_are_named_with_their_field_and_a_remedy(fields: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(PenstockError) as refused:
        parse(Autoscale, fields, "f.yml")
    assert refused.value.message.startswith("f.yml: ")
    assert all(part in refused.value.message for part in parts), refused.value.message


def test_a_rule_on_another_resource_or_dimension_is_refused() -> None:
    for change in ({"metricResourceUri": f"{_ROOT}/onlineEndpoints/beer"}, {"dimensions": [{"DimensionName": "x"}]}):
        fields = exported()
        fields["properties"]["profiles"][0]["rules"][0]["metricTrigger"] |= change
        with pytest.raises(PenstockError, match=r"profiles\.0\.rules\.0\.metricTrigger"):
            parse(Autoscale, fields, "f")


@pytest.mark.parametrize("resource", ["wine/blue", URI, URI.replace("onlineEndpoints", "onlineendpoints")])
def test_a_resource_is_a_deployment(resource: str) -> None:
    assert target(resource) == ("wine", "blue")


@pytest.mark.parametrize("resource", ["wine", "", "a/b/c", f"{_ROOT}/onlineEndpoints/wine"])
def test_other_resources_are_refused(resource: str) -> None:
    with pytest.raises(ValueError, match="write ENDPOINT/DEPLOYMENT"):
        target(resource)
