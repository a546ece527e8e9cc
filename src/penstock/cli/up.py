"""`penstock up`, `down` and `status`: the platform of this machine."""

import dataclasses
import os
import threading
import time
from typing import Annotated, Any

import typer

from penstock import home
from penstock.cli.command import Outcome, command, noun
from penstock.cli.connection import connect
from penstock.cli.errors import notice
from penstock.cli.show import table
from penstock.settings import Settings, from_environment

NOUN = None  # the commands stand alone
app = noun("")

_LOOKS, _PAUSE = 600, 0.05  # half a minute for the platform to come up

_PortFlag = Annotated[
    int | None, typer.Option("--port", help="Of the API; 0 picks a free one. [default: 8700; standby: 8701]")
]
_GatewayPortFlag = Annotated[
    int | None, typer.Option("--gateway-port", help="Of the predictions; 0 picks a free one. [default: 8080]")
]
_StandbyFlag = Annotated[
    bool, typer.Option("--standby", help="Be a second control plane of this home: take over when the first ends.")
]
_KeepServingFlag = Annotated[
    bool, typer.Option("--keep-serving", help="SIGTERM and Ctrl-C end the control plane only; predictions go on.")
]
_HostFlag = Annotated[str | None, typer.Option("--host", help="Address to listen on. [default: 127.0.0.1]")]


@command(app, "up", example="penstock up --detach", text=table("url", "gateway_url", "pid"))
def up(
    detach: Annotated[bool, typer.Option("--detach", help="Return when it is up; it stays up.")] = False,
    port: _PortFlag = None,
    gateway_port: _GatewayPortFlag = None,
    host: _HostFlag = None,
    standby: _StandbyFlag = False,
    keep_serving: _KeepServingFlag = False,
) -> Any:
    """Start the platform on this machine; without --detach, stay with it until Ctrl-C."""
    settings = _settings(port, gateway_port, host, standby=standby, keep_serving=keep_serving)
    if not detach:
        notice(f"penstock keeps its state in {settings.home}; Ctrl-C stops it")
        from penstock.server import serve

        threading.Thread(target=_announce, args=(settings,), daemon=True).start()
        return Outcome(None, serve(settings))
    from penstock.daemon import start_detached

    started = start_detached(settings)
    what = "penstock's standby" if settings.standby else "penstock"
    notice(f"{what} was up already" if started["already_running"] else f"{what} is up")
    _tell_next(settings)
    return started


@command(app, "down", example="penstock down")
def down() -> Any:
    """Stop the platform of this machine, and everything that it runs."""
    from penstock.daemon import stop

    settings = from_environment()
    ended = stop(settings)
    for name in ended:
        notice(f"ended {name}")
    if not ended:
        notice(f"nothing was running in {settings.home}")


@command(
    app,
    "status",
    example="penstock status",
    text=table(
        "version",
        "url",
        "gateway_url",
        "gateway_alive",
        "control_planes",
        "endpoints",
        "deployments",
        "instances",
        "mlflow",
        "home",
    ),
)
def status() -> Any:
    """Show what runs; fails with exit code 5 if nothing does."""
    with connect() as client:
        return {"url": client.url, **client.status().model_dump(mode="json")}


def _settings(
    port: int | None, gateway_port: int | None, host: str | None, *, standby: bool, keep_serving: bool
) -> Settings:
    settings = from_environment()
    standby = standby or settings.standby
    given = {"standby_port" if standby else "port": port, "gateway_port": gateway_port, "host": host}
    return dataclasses.replace(
        settings,
        standby=standby,
        keep_serving=keep_serving or settings.keep_serving,
        **{name: value for name, value in given.items() if value is not None},
    )


def _announce(settings: Settings) -> None:
    """Say where this very process is to be found, once it has written that into the home folder."""
    for _ in range(_LOOKS):
        place = home.found(settings.home, settings.name)
        if place is not None and place.pid == os.getpid():
            what = "penstock's standby" if settings.standby else "penstock"
            notice(f"{what} is up: API and dashboard {place.url}, predictions {place.gateway_url}")
            _tell_next(settings)
            return
        time.sleep(_PAUSE)


def _tell_next(settings: Settings) -> None:
    notice(f"token: in {settings.token_file}; commands of this machine find it themselves")
    notice("next: penstock apply -f FILE_OR_FOLDER")
