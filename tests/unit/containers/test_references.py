"""Names of images."""

import pytest

from penstock.containers.references import Reference, is_image_id, read_reference
from penstock.domain.errors import PenstockError

DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("nginx", None, None)),
        ("team/fraud:3", ("team/fraud", "3", None)),
        ("localhost:5000/fraud", ("localhost:5000/fraud", None, None)),
        ("localhost:5000/fraud:3", ("localhost:5000/fraud", "3", None)),
        (f"r.example.com/a/b/c:1.0@{DIGEST}", ("r.example.com/a/b/c", "1.0", DIGEST)),
        (f"[::1]:5000/x@{DIGEST}", ("[::1]:5000/x", None, DIGEST)),
    ],
)
def test_a_name_is_read_in_its_parts(text: str, parts: tuple[str, str | None, str | None]) -> None:
    read = read_reference(text)
    assert (read.name, read.tag, read.digest) == parts
    assert read.pinned(DIGEST) == f"{parts[0]}@{DIGEST}"


@pytest.mark.parametrize(
    "text", ["", "-v", "--privileged", "a b", "a:b:c", "x@sha256:12", "x\n", "a//b", "/x", f"{'x' * 600}", "x:é"]
)
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(PenstockError, match="is not the name of an image"):
        read_reference(text)


@pytest.mark.parametrize(
    ("name", "registry", "loopback"),
    [
        ("nginx", None, False),
        ("team/fraud", None, False),
        ("localhost/fraud", None, False),
        ("localhost:5000/fraud", "localhost:5000", True),
        ("127.0.0.1:5000/fraud", "127.0.0.1:5000", True),
        ("[::1]:5000/fraud", "[::1]:5000", True),
        ("127.0.0.1.example.com/fraud", "127.0.0.1.example.com", False),
        ("registry.example.com/fraud", "registry.example.com", False),
    ],
)
def test_a_name_says_its_registry(name: str, registry: str | None, loopback: bool) -> None:
    read = Reference(name, None, None)
    assert (read.registry, read.loopback) == (registry, loopback)


def test_an_id_is_no_name() -> None:
    assert is_image_id(DIGEST)
    assert not is_image_id(f"x@{DIGEST}")
