"""Brings the gateway in line with the resources and instances."""

import logging
import threading
from collections import defaultdict
from collections.abc import Mapping

from penstock.control.resources import Resources
from penstock.domain.autoscale import AUTOSCALE
from penstock.domain.deployment import ONLINE_DEPLOYMENT
from penstock.domain.endpoint import ONLINE_ENDPOINT
from penstock.domain.errors import PenstockError
from penstock.domain.instance import Instance
from penstock.gateway.base import Applied, Gateway
from penstock.gateway.table import Hold
from penstock.online.fleet import Fleet
from penstock.online.routes import hold_of, table

log = logging.getLogger(__name__)

_CHECK_SECONDS = 0.25


class Routing:
    """Applies the present routing table, one caller at a time, and brings a gateway back that has died."""

    def __init__(self, resources: Resources, fleet: Fleet, gateway: Gateway) -> None:
        self._resources = resources
        self._fleet = fleet
        self._gateway = gateway
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_alive, name="gateway", daemon=True)

    def start(self) -> None:
        """Run the gateway and watch it from now on. Raises `unavailable` as `Gateway.start` does."""
        with self._lock:
            self._gateway.start()
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer; the gateway itself goes on."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def apply(self) -> Applied:
        """Apply the table as it is now; returns when the gateway does what it says."""
        with self._lock:
            endpoints = self._resources.list(ONLINE_ENDPOINT)
            deployments = self._resources.list(ONLINE_DEPLOYMENT)
            instances: dict[str, list[Instance]] = defaultdict(list)
            for instance in self._fleet.instances():
                instances[f"{instance.name.endpoint}/{instance.name.deployment}"].append(instance)
            addresses = {i.name: self._fleet.address(i.name) for group in instances.values() for i in group}
            applied = self._gateway.apply(table(endpoints, deployments, instances, addresses, self._holds()))
        if applied.reloaded:
            log.info("gateway reloaded", extra={"reasons": "; ".join(applied.reasons)})
            self._resources.record("gateway", "gateway", "GatewayReloaded", "; ".join(applied.reasons))
        return applied

    def _holds(self) -> Mapping[str, Hold]:
        found = {a.name: hold_of(a.spec) for a in self._resources.list(AUTOSCALE) if a.deleting_since is None}
        return {name: hold for name, hold in found.items() if hold is not None}

    def _keep_alive(self) -> None:
        while not self._stopped.wait(_CHECK_SECONDS):
            if self._gateway.alive():
                continue
            log.warning("gateway does not answer; starting it")
            try:
                with self._lock:
                    if self._stopped.is_set():
                        return
                    self._gateway.start()
                self.apply()
                self._resources.record("gateway", "gateway", "GatewayRestarted", "the gateway had died")
            except PenstockError as err:
                log.error("gateway cannot be started", extra={"error": err.message})
