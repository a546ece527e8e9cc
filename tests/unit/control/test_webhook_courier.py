"""Events reach their receiver in order and at least once, wherever the control plane is killed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.control.cloud_events import source
from penstock.control.resources import Resources
from penstock.control.webhook_courier import Courier
from penstock.control.webhook_schedule import Outcome
from penstock.control.webhook_secrets import WebhookSecrets
from penstock.domain.errors import PenstockError
from penstock.domain.fields import parse
from penstock.domain.webhook import WEBHOOK, EventFilter, Webhook, WebhookStatus
from penstock.store.sql import SqlStore, open_store
from penstock.testing.clock import ManualClock

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()


class KilledError(BaseException):
    """The end of the process at this line."""


class Line:
    """A webhook `log`, its courier, and the receiver at the other end; `answers` are the next ones, 204 after that."""

    def __init__(self, store: SqlStore, folder: Path) -> None:
        self.clock = ManualClock()
        self.resources = Resources(store, self.clock, lambda _: None)
        self.secrets = WebhookSecrets(folder / "secrets" / "webhooks")
        self.received: list[int] = []
        self.calls: list[tuple[Mapping[str, str], bytes]] = []
        self.answers: list[int | BaseException] = []
        self.resources.record("gateway", "gateway", "Before", "there was no webhook yet")
        webhook, _ = self.resources.apply(WEBHOOK, "log", Webhook(url="http://h/x"), actor="a@h")
        self.secrets.put("log", webhook.uid, SECRET)
        self.begin()

    def begin(self) -> None:
        """A process with nothing in memory."""
        self.courier = Courier("log", self.resources, self.secrets, self.send, self.clock, "/penstock/x")

    def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        self.calls.append((headers, body))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, int):
            if answer == 204:
                self.received.append(int(json.loads(body)["id"]))
            return Outcome(status=answer, error="" if answer == 204 else f"answered {answer}")
        self.received.append(int(json.loads(body)["id"]))
        raise answer

    def happen(self, reason: str = "Happened", name: str = "gateway") -> None:
        self.resources.record("gateway", name, reason, "something")

    def settle(self) -> None:
        while (wait := self.courier.step()) is not None:
            self.clock.advance(wait)

    def edit(self, **fields: Any) -> None:
        spec = self.resources.get(WEBHOOK, "log").spec.model_copy(update=fields)
        self.resources.apply(WEBHOOK, "log", spec, actor="a@h")

    @property
    def status(self) -> WebhookStatus:
        return self.resources.get(WEBHOOK, "log").status


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with closing(open_store(f"sqlite:///{tmp_path / 'penstock.db'}")) as store:
        yield Line(store, tmp_path)


def test_what_happens_after_its_creation_is_sent_once_and_in_order(line: Line) -> None:
    for _ in range(3):
        line.happen()
    line.settle()
    line.settle()
    assert line.received == [3, 4, 5]
    assert (line.status.position, line.status.delivered) == (5, 3)


def test_a_process_killed_between_the_answer_and_the_note_sends_again_and_loses_none(line: Line) -> None:
    for _ in range(3):
        line.happen()
    line.answers = [204, KilledError()]
    with pytest.raises(KilledError):
        line.settle()
    line.begin()
    line.settle()
    assert line.received == [3, 4, 4, 5]


def test_later_events_wait_for_one_that_is_tried_again(line: Line) -> None:
    line.happen()
    line.happen()
    line.answers = [503, 500]
    line.settle()
    assert line.received == [3, 4]
    assert [delivery.tries for delivery in line.status.deliveries] == [3, 1]
    assert line.clock.now() - line.resources.get(WEBHOOK, "log").created_at >= timedelta(seconds=1)


def test_an_event_nobody_takes_is_a_dead_letter_that_can_be_replayed(line: Line) -> None:
    line.happen()
    line.happen()
    line.answers = [500] * 60
    while not line.status.dead:
        wait = line.courier.step()
        assert wait is not None
        line.clock.advance(wait)
    line.answers = []
    line.settle()
    given_up = line.resources.events()[-1]
    assert (given_up.reason, given_up.id in line.received) == ("DeliveryGivenUp", True)
    assert line.received == [4, given_up.id]
    asked = line.resources.get(WEBHOOK, "log")
    line.resources.set_status(WEBHOOK, asked, asked.status.model_copy(update={"replay": (3, 999)}))
    line.settle()
    assert line.received[-1] == 3
    assert (line.status.dead, line.status.replay) == ((), ())


def test_only_what_is_asked_for_is_sent_and_a_new_filter_holds_from_where_it_is(line: Line) -> None:
    line.edit(events=EventFilter(reasons=("Roll*", "Traffic*"), names=("fraud*",)))
    for number in range(250):
        line.happen("RolledBack" if number in (3, 240) else "Other", "fraud" if number != 3 else "wine")
    line.settle()
    assert [json.loads(body)["type"] for _, body in line.calls] == ["penstock.RolledBack"]
    first = line.received[0]
    line.edit(events=EventFilter(reasons=("Other",)))
    line.settle()
    assert line.received == [first, *range(first + 1, first + 10)]


def test_nothing_is_sent_while_disabled_without_a_secret_or_after_gone_and_nothing_is_lost(line: Line) -> None:
    line.edit(enabled=False)
    line.happen()
    line.settle()
    line.edit(enabled=True)
    line.answers = [410]
    line.settle()
    line.settle()
    assert (line.received, len(line.calls)) == ([], 1)
    line.edit(description="there again")
    line.secrets.forget("log")
    line.settle()
    assert line.received == []
    line.secrets.put("log", line.resources.get(WEBHOOK, "log").uid, SECRET)
    line.settle()
    assert line.received == [3, 4, 5, 6]


def test_a_delivery_is_a_cloud_event_with_a_signature_over_id_time_and_body(line: Line) -> None:
    line.happen()
    line.settle()
    headers, body = line.calls[0]
    event = json.loads(body)
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject")} == {
        "specversion": "1.0",
        "id": "3",
        "source": "/penstock/x",
        "type": "penstock.Happened",
        "subject": "gateway/gateway",
    }
    assert headers["Content-Type"].startswith("application/cloudevents+json")
    content = f"3.{int(line.clock.now().timestamp())}.".encode() + body
    digest = hmac.new(b"0123456789abcdef", content, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_a_secret_of_an_earlier_webhook_of_that_name_signs_nothing(line: Line) -> None:
    assert line.secrets.get("log", "another uid") is None
    (file,) = (line.secrets._folder).iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    for bad in ("whsec_%%%", "whsec_YWJj", "short"):
        with pytest.raises(PenstockError, match="secret"):
            line.secrets.put("log", "u", bad)


def test_control_planes_on_one_database_are_one_source_and_it_holds_no_password() -> None:
    assert source("postgresql://a:one@h/p?sslmode=require") == source("postgresql://b:two@h/p")
    assert source("sqlite:////a/penstock.db") != source("sqlite:////b/penstock.db")


@pytest.mark.parametrize(
    "url", ["ftp://h/x", "http://", "http://u:p@h/x", "http://h/x#y", "http://h/\r\nA: b", "http://h:99999/", "//h"]
)
def test_urls_that_cannot_be_called_are_refused(url: str) -> None:
    with pytest.raises(PenstockError, match="url"):
        parse(Webhook, {"url": url}, "webhook")
