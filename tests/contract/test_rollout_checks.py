"""Guards that ask others, over real HTTP: good answers, bad ones, and those that never end."""

import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from support.running import wait_until

from penstock.domain.fields import parse
from penstock.domain.rollout import Finding, Guards
from penstock.online.exposition import Exposition
from penstock.online.exposition import parse as parse_page
from penstock.online.rollout_checks import Checks

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


class Site(BaseHTTPRequestHandler):
    """`/NUMBER` answers that status; `/drip` sends a byte at a time until the test is over."""

    over = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/page":
            self._send(200, b"# TYPE orders gauge\norders 7\n")
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                while not self.over.wait(0.1):
                    self.wfile.write(b"#")
        else:
            self._send(int(self.path[1:]), b"")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Site.over.set()
        server.shutdown()
        thread.join()


class Asking:
    """Looks at the guards every ten seconds of its own time, until each has been asked."""

    def __init__(self, guards: dict[str, Any], page: str = "") -> None:
        self.guards = parse(Guards, guards, "guards")
        self.checks = Checks()
        self.page = parse_page(page)
        self.now = BEGIN

    def metrics(self) -> Exposition:
        return self.page

    def ask(self, times: int = 1) -> Finding:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(times):
                self.now += timedelta(seconds=10)
                last = self.now

                def answered(at: datetime = last) -> tuple[Finding, ...]:
                    found = self._look(at, pool)
                    told = [known.at == at for known in self.checks._known.values()]  # pyright: ignore
                    return found if told and all(told) else ()

                wait_until(answered)
            return self._look(self.now, pool)[0]

    def _look(self, now: datetime, pool: ThreadPoolExecutor) -> tuple[Finding, ...]:
        return self.checks.findings(self.guards, ("fraud/green", ("fraud/blue",)), self.metrics, now, pool)


def test_a_url_that_answers_2xx_is_fine_and_three_other_answers_fail(url: str) -> None:
    assert Asking({"checks": [{"url": f"{url}/204"}]}).ask(4) == Finding(
        guard=f"check {url}/204", state="ok", message="answers 2xx"
    )
    bad = Asking({"checks": [{"url": f"{url}/500"}]})
    assert bad.ask(2).state == "ok"
    finding = bad.ask()
    assert (finding.state, finding.message) == ("failed", "answers 500, 3 of 3 times in a row")
    assert Asking({"checks": [{"url": f"{url}/302", "failures": 1}]}).ask().message.startswith("answers 302")


def test_nobody_there_is_no_good_answer() -> None:
    finding = Asking({"checks": [{"url": "http://127.0.0.1:9/", "failures": 1}]}).ask()
    assert (finding.state, finding.message) == ("failed", "does not answer (ConnectError), 1 of 1 times in a row")


def test_a_body_without_end_holds_nothing_up(url: str) -> None:
    """The check needs no body; of a page of metrics nothing is believed."""
    assert Asking({"checks": [{"url": f"{url}/drip"}]}).ask().state == "ok"
    finding = Asking({"metrics": [{"name": "orders", "url": f"{url}/drip", "maximum": 1}]}).ask()
    assert (finding.state, finding.message) == ("unknown", "cannot be read")


def test_no_look_waits_for_an_answer(url: str) -> None:
    asking = Asking({"metrics": [{"name": "orders", "url": f"{url}/drip", "maximum": 1}]})
    with ThreadPoolExecutor(1) as pool:
        first = asking.checks.findings(asking.guards, ("f/g", ()), asking.metrics, BEGIN, pool)
        assert first == ()  # it is still being asked, for two seconds


def test_a_metric_of_a_page_out_of_bounds_fails_the_third_time(url: str) -> None:
    asking = Asking({"metrics": [{"name": "orders", "url": f"{url}/page", "maximum": 5}]})
    assert asking.ask(2).state == "ok"
    finding = asking.ask()
    assert (finding.state, finding.message) == ("failed", "7 is above the maximum 5")


def test_a_metric_of_instances_is_compared_with_the_old_ones() -> None:
    page = (
        'risk{endpoint="fraud",deployment="green"} 3\n'
        'risk{endpoint="fraud",deployment="blue"} 1\n'
        'risk{endpoint="other",deployment="green"} 900\n'
    )
    finding = Asking({"metrics": [{"name": "risk", "relative": 2}]}, page).ask(3)
    assert (finding.state, finding.message) == ("failed", "3 is above 2 times the old deployment's 1")
    assert Asking({"metrics": [{"name": "risk", "relative": 4}]}, page).ask(3).state == "ok"


def test_of_a_counter_the_growth_counts_and_a_restart_is_none() -> None:
    def page(value: int) -> Exposition:
        return parse_page(f'# TYPE lost counter\nlost{{endpoint="fraud",deployment="green"}} {value}\n')

    asking = Asking({"metrics": [{"name": "lost", "maximum": 4}]})
    states: list[tuple[str, str]] = []
    for value in (1000, 1010, 3, 53, 103, 153):
        asking.page = page(value)
        finding = asking.ask()
        states.append((finding.state, finding.message))
    assert states == [
        ("unknown", "not told yet"),
        ("ok", "1"),
        ("unknown", "not told yet"),
        ("ok", "5 is above the maximum 4"),
        ("ok", "5 is above the maximum 4"),
        ("failed", "5 is above the maximum 4"),
    ]
