"""A running gateway with instances in threads."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support.gateway import a_backend, a_gateway, a_server, a_socket_folder, a_table
from support.instances import Answer, Client, Instance

from penstock.gateway.base import Applied, Counts
from penstock.gateway.table import Backend


class Site:
    """A running gateway and its instances."""

    def __init__(self, home: Path, sockets: Path) -> None:
        self.home, self.sockets = home, sockets
        self.gateway = a_gateway(home, sockets)
        self.instances: dict[str, Instance] = {}

    def instance(self, name: str) -> Instance:
        self.instances[name] = Instance(name, self.sockets / f"{name}.sock")
        return self.instances[name]

    def backend(self, deployment: str, count: int = 1, **changes: object) -> Backend:
        names = [f"{deployment}{n}" for n in range(count)]
        return a_backend(deployment, *(a_server(self.instance(name)) for name in names), **changes)  # type: ignore[arg-type]

    def client(self, key: str = "k1") -> "closing[Client]":
        return closing(Client(self.gateway.port, key))

    def score(self, body: bytes = b"{}", **headers: str) -> Answer:
        with self.client() as client:
            return client.score(body, **headers)

    def apply(self, *backends: Backend, **route: object) -> Applied:
        return self.gateway.apply(a_table(*backends, **route))  # type: ignore[arg-type]


def at_work(site: Site, deployment: str = "blue") -> Counts:
    """What is counted of a deployment, by the current process of the gateway."""
    return site.gateway.tallies()[0].deployments[f"fraud/{deployment}"]


def present(counts: Counts) -> int:
    """How many requests are being worked on, or wait."""
    return counts.waiting + sum(server.active + server.waiting for server in counts.servers.values())


@contextmanager
def a_site(home: Path) -> Iterator[Site]:
    with a_socket_folder() as sockets:
        made = Site(home, sockets)
        made.gateway.start()
        try:
            yield made
        finally:
            made.gateway.stop()
            for instance in made.instances.values():
                instance.close()
