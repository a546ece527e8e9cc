"""Azure Monitor's autoscale settings (Microsoft.Insights/autoscaleSettings, as exported) in our fields."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from penstock.domain.azure_fields import Fields, decimal, folded, listed, mapping, number, only, squeezed, taken, word

_TARGET = re.compile(r"/onlineEndpoints/(?P<endpoint>[^/]+)/deployments/(?P<deployment>[^/]+)/?\Z", re.IGNORECASE)
_ENDPOINT = re.compile(r"/onlineEndpoints/(?P<endpoint>[^/]+)(?:/deployments/[^/]+)?/?\Z", re.IGNORECASE)

_OPERATORS = {
    "equals": "==",
    "notequals": "!=",
    "greaterthan": ">",
    "greaterthanorequal": ">=",
    "lessthan": "<",
    "lessthanorequal": "<=",
}
_AGGREGATIONS = {
    "average": "avg",
    "minimum": "min",
    "maximum": "max",
    "total": "total",
    "count": "count",
    "last": "last",
}
_STATISTICS = {"average": "avg", "min": "min", "max": "max", "sum": "sum", "count": "count"}
_DIRECTIONS = {"increase": "out", "decrease": "in", "none": "to"}

# Azure's fields by place; what has no effect here is told, unknown ones are refused.
_OWN = ("endpoint_name", "deployment_name", "description", "prewarm", "concurrency", "idle_time", "hold_time")
_TOP = (
    *("id", "name", "type", "location", "tags", "properties", "apiVersion", "resourceGroup", "systemData", "kind"),
    *("enabled", "profiles", "notifications", "predictiveAutoscalePolicy", "targetResourceUri"),
    *("targetResourceLocation", "namePropertiesName", "etag", "dependsOn"),
    *_OWN,
)
_PROFILE = ("name", "capacity", "rules", "fixedDate", "recurrence")
_TRIGGER = (
    *("metricName", "metricNamespace", "metricResourceUri", "metricResourceLocation", "timeGrain", "statistic"),
    *("timeWindow", "timeAggregation", "operator", "threshold", "dimensions", "dividePerInstance"),
)


def is_azure(value: Any) -> bool:
    """True for what Azure Monitor would take, which needs translation."""
    if not isinstance(value, Mapping):
        return False
    fields = cast(Mapping[str, Any], value)
    profiles = fields.get("profiles")
    entries = cast(Sequence[Any], profiles) if isinstance(profiles, list) else ()
    return bool({"properties", "targetResourceUri", "target_resource_uri"} & fields.keys()) or any(
        isinstance(profile, Mapping) and "capacity" in profile for profile in entries
    )


def target(uri: str) -> tuple[str, str]:
    """Endpoint and deployment that a resource id, or ENDPOINT/DEPLOYMENT, names. Raises ValueError."""
    match = _TARGET.search(uri)
    if match is not None:
        return match["endpoint"], match["deployment"]
    endpoint, slash, deployment = uri.strip("/").partition("/")
    if not slash or not endpoint or not deployment or "/" in deployment:
        raise ValueError(
            f"resource {uri[:200]!r} is no deployment: write ENDPOINT/DEPLOYMENT, or its Azure resource id, which ends "
            "with /onlineEndpoints/ENDPOINT/deployments/DEPLOYMENT"
        )
    return endpoint, deployment


def fields_of(value: Mapping[str, Any]) -> Fields:
    """The fields of our file that say the same. Raises ValueError naming Azure's field and what is wrong with it."""
    top = taken(value, _TOP, "autoscale settings")
    properties = taken(mapping(top.get("properties", {}), "properties"), _TOP, "properties")
    settings = {**top, **properties}
    fields: Fields = {name: settings[name] for name in _OWN if name in settings}
    name = top.get("name") or properties.get("name")
    fields |= {"name": name} if name else {}
    if settings.get("tags"):
        fields["tags"] = settings["tags"]
    if settings.get("enabled") is not None:
        fields["enabled"] = settings["enabled"]
    uri = settings.get("targetResourceUri")
    there = target(uri) if isinstance(uri, str) and uri else (None, None)
    if "endpoint_name" not in fields and there[0] is not None:
        fields["endpoint_name"], fields["deployment_name"] = there
    _check_predictive(settings.get("predictiveAutoscalePolicy"))
    fields["ignored"] = ["notifications"] if _notifies(settings.get("notifications")) else []
    return fields | _profiles(settings.get("profiles"), there[0])


def check_metric_source(resource: str, endpoint: str | None, where: str) -> None:
    """Raise ValueError where a rule would read another endpoint than its own.

    Rules read what the deployment itself does; Azure's name the deployment, or its endpoint.
    """
    match = _ENDPOINT.search(resource)
    named = match["endpoint"] if match else resource.partition("/")[0]
    if endpoint not in (None, named):
        raise ValueError(f"{where} is {resource[-120:]!r}: rules read metrics of the deployment that they scale")


def is_paired_end(name: str) -> str | None:
    """The profile whose end this one marks; None for any other name.

    az and the portal let a recurring profile end by another that has the default one's limits and a name in JSON.
    """
    try:
        meant = json.loads(name)
    except (ValueError, RecursionError):
        return None
    owner = cast(dict[str, Any], meant).get("for") if isinstance(meant, dict) else None
    return owner if isinstance(owner, str) else None


def _profiles(value: Any, endpoint: str | None) -> Fields:
    """Limits and rules of the default profile, and the others. Without a default, what ends a recurring one is it."""
    profiles = [_profile(each, f"profiles.{n}", endpoint) for n, each in enumerate(listed(value, "profiles"))]
    timed = [profile for profile in profiles if "fixed" in profile or "recurrence" in profile]
    always = [profile for profile in profiles if profile not in timed]
    ends = [profile for profile in timed if is_paired_end(profile["name"])]
    default = next(iter([*always, *ends]), None)
    if default is None:
        raise ValueError("profiles: none is for all the time: give one without fixedDate and recurrence")
    if len(always) > 1:
        raise ValueError("profiles: more than one has neither fixedDate nor recurrence; there is one default profile")
    limits = {name: default[name] for name in ("min", "max", "default", "rules")}
    return {**limits, "profiles": timed}


def _profile(value: Any, where: str, endpoint: str | None) -> Fields:
    profile = taken(mapping(value, where), _PROFILE, where)
    capacity = taken(
        mapping(profile.get("capacity"), f"{where}.capacity"), ("minimum", "maximum", "default"), f"{where}.capacity"
    )
    fields: Fields = {
        "name": str(profile.get("name") or where),
        "min": number(capacity.get("minimum"), f"{where}.capacity.minimum"),
        "max": number(capacity.get("maximum"), f"{where}.capacity.maximum"),
        "default": number(capacity.get("default"), f"{where}.capacity.default"),
        "rules": [
            _rule(each, f"{where}.rules.{n}", endpoint)
            for n, each in enumerate(listed(profile.get("rules") or [], f"{where}.rules"))
        ],
    }
    if profile.get("fixedDate"):
        dates = taken(mapping(profile["fixedDate"], where), ("timeZone", "start", "end"), f"{where}.fixedDate")
        fields["fixed"] = {"start": dates.get("start"), "end": dates.get("end"), "timezone": _zone(dates)}
    if profile.get("recurrence"):
        fields["recurrence"] = _recurrence(profile["recurrence"], f"{where}.recurrence")
    return fields


def _recurrence(value: Any, where: str) -> Fields:
    recurrence = taken(mapping(value, where), ("frequency", "schedule"), where)
    if str(recurrence.get("frequency", "Week")).lower() != "week":
        raise ValueError(f"{where}.frequency is {recurrence['frequency']!r}: profiles recur each Week")
    known = ("timeZone", "days", "hours", "minutes")
    schedule = taken(mapping(recurrence.get("schedule"), f"{where}.schedule"), known, f"{where}.schedule")
    hours, minutes = (only(schedule.get(name), f"{where}.schedule.{name}") for name in ("hours", "minutes"))
    return {"days": schedule.get("days"), "start": f"{hours:02}:{minutes:02}", "timezone": _zone(schedule)}


def _rule(value: Any, where: str, endpoint: str | None) -> Fields:
    rule = taken(mapping(value, where), ("metricTrigger", "scaleAction"), where)
    trigger = taken(mapping(rule.get("metricTrigger"), f"{where}.metricTrigger"), _TRIGGER, f"{where}.metricTrigger")
    known = ("direction", "type", "value", "cooldown")
    action = taken(mapping(rule.get("scaleAction"), f"{where}.scaleAction"), known, f"{where}.scaleAction")
    _check_source(trigger, endpoint, f"{where}.metricTrigger")
    words = [
        str(trigger.get("metricName", "")),
        word(trigger, "operator", _OPERATORS, where),
        decimal(trigger.get("threshold"), f"{where}.metricTrigger.threshold"),
        word(trigger, "timeAggregation", _AGGREGATIONS, where),
        squeezed(trigger.get("timeWindow"), f"{where}.metricTrigger.timeWindow"),
    ]
    fields: Fields = {
        "condition": " ".join(words),
        "timegrain": f"{word(trigger, 'statistic', _STATISTICS, where)} {trigger.get('timeGrain', 'PT1M')}",
        "scale": _scale(action, where),
        "per_instance": trigger.get("dividePerInstance") is True,
    }
    return fields | ({"cooldown": action["cooldown"]} if action.get("cooldown") else {})


def _scale(action: Mapping[str, Any], where: str) -> str:
    kind, value = str(action.get("type", "")).lower(), action.get("value", "1")
    if kind == "exactcount":
        return f"to {value}"
    if kind not in ("changecount", "percentchangecount"):
        raise ValueError(
            f"{where}.scaleAction.type is {action.get('type')!r}: there are ChangeCount, PercentChangeCount, ExactCount"
        )
    direction = word(action, "direction", _DIRECTIONS, f"{where}.scaleAction")
    return f"{direction} {value}{'%' if kind == 'percentchangecount' else ''}"


def _check_source(trigger: Mapping[str, Any], endpoint: str | None, where: str) -> None:
    if trigger.get("metricResourceUri"):
        check_metric_source(str(trigger["metricResourceUri"]), endpoint, f"{where}.metricResourceUri")
    if trigger.get("dimensions"):
        raise ValueError(f"{where}.dimensions: a rule sees the deployment that it scales and nothing else; remove them")


def _check_predictive(policy: Any) -> None:
    mode = str(folded(policy).get("scalemode", "Disabled")) if isinstance(policy, Mapping) else "Disabled"
    if mode.lower() != "disabled":
        raise ValueError(
            f"predictiveAutoscalePolicy.scaleMode is {mode!r}: forecasts exist for virtual machine scale sets only, on "
            "Azure too; remove it, and use `prewarm` or a profile for load that comes by the clock"
        )


def _notifies(value: Any) -> bool:
    """True if there is somebody to be told: az writes notifications that tell nobody."""
    for each in listed(value or [], "notifications"):
        notification = folded(mapping(each, "notifications"))
        email = notification.get("email")
        told = any(folded(email).values()) if isinstance(email, Mapping) else False
        if told or notification.get("webhooks"):
            return True
    return False


def _zone(fields: Mapping[str, Any]) -> str:
    return str(fields.get("timeZone") or "UTC")
