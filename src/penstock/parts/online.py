"""What serves online deployments: their instances, the gateway's routes to them, and what measures them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from penstock.control.controller import Reconciler
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.contract import CONTRACT
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.online import machine
from penstock.online.assembly import Assembly
from penstock.online.autoscale_reconciler import AutoscaleReconciler
from penstock.online.contract_files import ContractFiles
from penstock.online.contract_reconciler import ContractReconciler
from penstock.online.counts import Counts
from penstock.online.deployment_reconciler import DeploymentReconciler
from penstock.online.deployments import Deployments
from penstock.online.endpoint_reconciler import EndpointReconciler
from penstock.online.endpoints import Endpoints
from penstock.online.fleet import Fleet
from penstock.online.inspector import Inspector
from penstock.online.keys import Keyring
from penstock.online.meter import Meter
from penstock.online.places import Places
from penstock.online.probes import Prober
from penstock.online.routing import Routing
from penstock.online.scaler import Scaler
from penstock.online.tapes import DeploymentTapes
from penstock.online.waker import Waker
from penstock.parts.ground import Ground


@dataclass(frozen=True, kw_only=True)
class Online:
    fleet: Fleet
    prober: Prober
    routing: Routing
    keyring: Keyring
    endpoints: Endpoints
    deployments: Deployments
    inspector: Inspector
    meter: Meter
    tapes: DeploymentTapes
    waker: Waker
    scaler: Scaler
    reconcilers: Mapping[str, Reconciler]


def online(ground: Ground, changed: Callable[[str], None]) -> Online:
    """`changed` is called with the name of each instance that a probe found other than before."""
    settings, resources, clock, outside = ground.settings, ground.resources, ground.clock, ground.outside
    gateway, preparation = outside.gateway, ground.preparation
    logs = settings.home / "logs" / "instances"
    places = Places(run=settings.run_folder, logs=logs, collected=settings.collected_folder)
    prober, contract_files = Prober(changed), ContractFiles(resources, places)
    fleet = Fleet(outside.engine, gateway, prober, places, clock, contract_files)
    routing = Routing(resources, fleet, gateway)
    keyring = Keyring(settings.home / "secrets" / "endpoints")
    apps = settings.home / "apps"
    assembly = Assembly(preparation, outside.environments, ground.builds, apps, places, ground.defaults)
    meter, counts = Meter(gateway, places, clock), Counts(resources, fleet, machine.measure)
    return Online(
        fleet=fleet,
        prober=prober,
        routing=routing,
        keyring=keyring,
        endpoints=Endpoints(resources, keyring, routing),
        deployments=Deployments(resources, preparation, clock),
        inspector=Inspector(resources, fleet, gateway, clock),
        meter=meter,
        tapes=DeploymentTapes(fleet, clock),
        waker=Waker(resources, gateway, ground.leading),
        scaler=Scaler(resources, fleet, gateway, meter, clock, ground.leading),
        reconcilers={
            ONLINE_ENDPOINT.name: EndpointReconciler(resources, keyring, routing, clock),
            ONLINE_DEPLOYMENT.name: DeploymentReconciler(resources, assembly, fleet, routing, clock, counts),
            AUTOSCALE.name: AutoscaleReconciler(resources, clock),
            CONTRACT.name: ContractReconciler(resources, contract_files, preparation, clock),
        },
    )
