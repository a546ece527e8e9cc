"""Documents are applied in an order in which each finds what it refers to."""

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.cli.documents import Document, DocumentKind
from penstock.cli.sequence import sequenced
from penstock.domain.errors import PenstockError


def a_document(kind: DocumentKind, **fields: Any) -> Document:
    return Document(kind=kind, fields=fields, source=f"{fields.get('name')}.yml", folder=Path())


ENDPOINT = a_document(DocumentKind.ENDPOINT, name="fraud", traffic={"blue": 100}, description="d")
BLUE = a_document(DocumentKind.DEPLOYMENT, name="blue", endpoint_name="fraud")
MODEL = a_document(DocumentKind.MODEL, name="m", version="1", path="m")
ENVIRONMENT = a_document(DocumentKind.ENVIRONMENT, name="sk", version="1")


@given(st.randoms())
def test_the_order_of_the_files_does_not_matter(shuffle: random.Random) -> None:
    documents = [ENDPOINT, BLUE, MODEL, ENVIRONMENT]
    shuffle.shuffle(documents)
    order = sequenced(documents)
    assert [d.fields["name"] for d in (*order.environments, *order.models)] == ["sk", "m"]
    assert order.deployments == (BLUE,)
    assert [d.fields for d in order.endpoints] == [{"name": "fraud", "description": "d"}]
    assert order.traffic == (ENDPOINT,)
    assert order.documents == (ENVIRONMENT, MODEL, ENDPOINT, BLUE)


def test_traffic_waits_only_for_deployments_of_the_same_run() -> None:
    order = sequenced([ENDPOINT, a_document(DocumentKind.DEPLOYMENT, name="blue", endpoint_name="other")])
    assert order.endpoints == (ENDPOINT,)
    assert order.traffic == ()


def test_an_endpoint_without_shares_is_applied_once() -> None:
    endpoint = a_document(DocumentKind.ENDPOINT, name="fraud")
    assert sequenced([endpoint, BLUE]).traffic == ()


@pytest.mark.parametrize(
    ("documents", "part"),
    [
        ([BLUE, BLUE.with_fields(description="other")], "stands in blue.yml and in blue.yml"),
        ([a_document(DocumentKind.MODEL, path="m")], "no name"),
        ([a_document(DocumentKind.DEPLOYMENT, name="blue")], "give `endpoint_name`"),
    ],
    ids=["one name twice", "no name", "a deployment without its endpoint"],
)
def test_what_cannot_be_ordered_is_named(documents: list[Document], part: str) -> None:
    with pytest.raises(PenstockError) as refused:
        sequenced(documents)
    assert part in refused.value.message
