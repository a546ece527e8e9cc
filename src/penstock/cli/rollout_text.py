"""Rollouts as people read them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from penstock.cli.show import table

if TYPE_CHECKING:
    from penstock.client.resources import RemoteRollout

rows_text = table("name", "endpoint_name", "to", "phase", "percent", "reason", "started_at", "finished_at")


def rollout_row(rollout: "RemoteRollout") -> dict[str, Any]:
    """All that there is to know of a rollout, as JSON."""
    endpoint, _, name = rollout.name.partition("/")
    spec, status = rollout.spec, rollout.status
    ready = status.condition("Ready")
    stages = spec.stages
    shown = status.model_dump(mode="json", exclude={"conditions", "reference"})
    return {
        "name": name,
        "endpoint_name": endpoint,
        "from": list(status.old),
        "to": spec.to,
        "phase": str(status.phase),
        "percent": status.traffic.get(spec.to, 0),
        "paused": spec.paused,
        "reason": ready.reason if ready else "Starting",
        "message": ready.message if ready else "it begins",
        "step": status.step + 1,
        "steps": [step.percent for step in stages],
        "requests": status.requests,
        "verdict": shown["verdict"],
        "passed": shown["steps"],
        "started_at": shown["started_at"],
        "finished_at": shown["finished_at"],
        "warm_until": shown["warm_until"],
        "generation": rollout.generation,
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"golden"}),
    }


def rollout_text(row: Mapping[str, Any]) -> str:
    """Where it is in a sentence, then the guards, then the steps that are over."""
    lines = [f"rollout {row['name']} of endpoint {row['endpoint_name']}: {row['phase'].replace('_', ' ')}"]
    route = f"{', '.join(row['from']) or '(nothing)'} -> {row['to']}, {row['percent']} % of the traffic"
    lines += [f"  {route}", f"  {row['message']}"]
    if row["warm_until"]:
        lines.append(f"  {', '.join(row['from'])} stays warm until {row['warm_until']}")
    if row["verdict"] and row["verdict"]["findings"]:
        lines.append("guards:")
        lines += [f"  {each['state']:<8}{each['guard']}: {each['message']}" for each in row["verdict"]["findings"]]
    if row["passed"]:
        lines.append("steps that are over:")
        lines += [
            f"  {each['percent']:>3} %  {each['requests']:,} requests, {each['verdict']['message']}"
            for each in row["passed"]
        ]
    return "\n".join(lines)


def change_line(rollout: "RemoteRollout") -> str:
    """One line for `watch`; the seconds that are left are not news."""
    status, spec = rollout.status, rollout.spec
    if status.attempt != spec.attempt:
        return f"{rollout.name}: starting"
    percent = status.traffic.get(spec.to, 0)
    line = f"{rollout.name}: {status.phase.replace('_', ' ')}, {percent} % to {spec.to}"
    verdict = status.verdict
    if verdict is None:
        return line
    if status.phase.finished or verdict.choice == "hold":
        message = verdict.message if status.phase.finished or verdict.reason != "NotEnoughData" else "not enough data"
        return f"{line}: {message}"
    return line
