"""The dashboard's pages as HTML. Pure: resources and events in, text out; everything shown is escaped."""

from collections.abc import Mapping, Sequence
from html import escape

from penstock.domain.deployment import OnlineDeployment, OnlineDeploymentStatus, instances_meant
from penstock.domain.endpoint import OnlineEndpoint, OnlineEndpointStatus
from penstock.domain.events import Event
from penstock.domain.resource import AnyResource, Resource, provisioning_state

Endpoint = Resource[OnlineEndpoint, OnlineEndpointStatus]
Deployment = Resource[OnlineDeployment, OnlineDeploymentStatus]

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; } code { font-size: .9em; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .8rem .25rem 0;
vertical-align: top; border-bottom: 1px solid #ddd; } th { font-weight: 600; color: #555; }
.Succeeded { color: #176f2c; } .Failed { color: #b3261e; } .Creating, .Updating, .Deleting { color: #8a5a00; }
.bar { background: #e4e7eb; width: 8rem; height: .7rem; display: inline-block; } .bar i { background: #3b6fb6;
height: 100%; display: block; } .empty { color: #777; } input { font: inherit; width: 30rem; max-width: 100%; }
"""


def login(message: str = "", *, next: str = "/") -> str:
    """The page that asks for the token, and leads to `next` afterwards."""
    said = f'<p class="Failed" role="alert">{escape(message)}</p>' if message else ""
    form = (
        '<form method="post" action="/login"><label>Token <input type="password" name="token" autofocus></label> '
        f'<input type="hidden" name="next" value="{escape(next)}"><button>Sign in</button></form>'
    )
    where = "<p>The token lies in the file <code>token</code> of the platform's home folder.</p>"
    return _page("Penstock", f"<h1>Penstock</h1>{said}{form}{where}", refresh=False)


def overview(
    endpoints: Sequence[Endpoint],
    deployments: Mapping[str, Sequence[Deployment]],
    events: Sequence[Event],
    gateway_url: str,
) -> str:
    """All endpoints with their deployments (by endpoint name), and the newest events, newest first."""
    parts = [_endpoint(e, deployments.get(e.name, ()), gateway_url) for e in endpoints]
    shown = "".join(parts) or (
        '<p class="empty">There is no endpoint yet: <code>penstock online-endpoint create -f endpoint.yml</code></p>'
    )
    head = '<h1>Penstock</h1><p><a href="/mlflow/">Models and runs (MLflow)</a> · <a href="/api/v1/docs">API</a></p>'
    return _page("Penstock", f"{head}{shown}<h2>Events</h2>{_events(events)}", refresh=True)


def _endpoint(endpoint: Endpoint, deployments: Sequence[Deployment], gateway_url: str) -> str:
    uri = f"{gateway_url}/endpoints/{endpoint.name}/score"
    rows = "".join(_deployment(d, endpoint.spec) for d in deployments)
    table = _table(("Deployment", "State", "Instances", "Traffic", "Why"), rows, "No deployments yet")
    return f"<h2>{escape(endpoint.name)} {_state(endpoint)}</h2><p><code>{escape(uri)}</code></p>{table}"


def _deployment(deployment: Deployment, endpoint: OnlineEndpoint) -> str:
    name = deployment.name.partition("/")[2]
    ready = deployment.status.condition("Ready")
    return _row(
        escape(name),
        _state(deployment),
        _instances(deployment),
        _share(endpoint.traffic.get(name, 0), endpoint.mirror_traffic.get(name, 0)),
        escape(ready.message) if ready else "",
    )


def _instances(deployment: Deployment) -> str:
    shown = f"{deployment.status.ready_instances} of {instances_meant(deployment.spec, deployment.status)}"
    return shown if deployment.status.scaled_instances is None else f"{shown}, scaled"


def _share(percent: int, mirrored: int) -> str:
    bar = f'<span class="bar"><i style="width:{percent}%"></i></span> {percent} %'
    return f"{bar}, {mirrored} % mirrored" if mirrored else bar


def _events(events: Sequence[Event]) -> str:
    rows = "".join(
        _row(f"{e.at:%Y-%m-%d %H:%M:%S}", escape(e.name), escape(e.reason), escape(e.message), escape(e.actor))
        for e in events
    )
    return _table(("When (UTC)", "What", "Event", "Message", "Who"), rows, "Nothing has happened yet")


def _state(resource: AnyResource) -> str:
    state = provisioning_state(resource)
    return f'<span class="{state}">{state}</span>'


def _table(heads: Sequence[str], rows: str, empty: str) -> str:
    if not rows:
        return f'<p class="empty">{empty}</p>'
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{rows}</table>"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _page(title: str, body: str, *, refresh: bool) -> str:
    again = '<meta http-equiv="refresh" content="5">' if refresh else ""
    head = f'<meta charset="utf-8">{again}<title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'
