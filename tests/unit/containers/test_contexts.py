"""What images are built from."""

from pathlib import Path

import pytest

from penstock.containers.contexts import content_digest, dockerfile_in, parents
from penstock.containers.package_image import write_package_context
from penstock.domain.errors import PenstockError


def a_context(folder: Path, text: str = "FROM scratch\n") -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "Dockerfile").write_text(text)
    (folder / "inner" / "a").write_text("1")
    (folder / "link").symlink_to("inner")
    return folder


def test_the_same_files_have_the_same_digest(tmp_path: Path) -> None:
    one, other = a_context(tmp_path / "one"), a_context(tmp_path / "other")
    assert content_digest(one, "Dockerfile", []) == content_digest(other, "Dockerfile", [])


def test_every_change_of_a_context_is_another_digest(tmp_path: Path) -> None:
    context = a_context(tmp_path / "context")
    digests = [content_digest(context, "Dockerfile", []), content_digest(context, "Dockerfile", ["sha256:new base"])]
    digests.append(content_digest(context, "inner/a", []))
    (context / "inner" / "a").write_text("2")
    digests.append(content_digest(context, "Dockerfile", []))
    (context / "inner" / "a").chmod(0o755)
    digests.append(content_digest(context, "Dockerfile", []))
    (context / "inner" / "a").rename(context / "inner" / "b")
    digests.append(content_digest(context, "Dockerfile", []))
    (context / "link").unlink()
    (context / "link").symlink_to("elsewhere")
    digests.append(content_digest(context, "Dockerfile", []))
    assert len(set(digests)) == len(digests)


def test_the_images_that_a_dockerfile_begins_from_are_known(tmp_path: Path) -> None:
    text = """
        ARG V=1
        FROM --platform=linux/amd64 r.example.com/base:1 AS first
        from scratch as Second
        FROM First
        FROM other:${V}
        COPY --from=second /x /x
        FROM python:3.12-slim
        FROM r.example.com/base:1
    """
    a_context(tmp_path / "c", text)
    assert parents(tmp_path / "c" / "Dockerfile") == ("r.example.com/base:1", "python:3.12-slim")


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "inner/../../secret", "out"])
def test_a_dockerfile_outside_its_folder_is_refused(tmp_path: Path, path: str) -> None:
    context = a_context(tmp_path / "context")
    (tmp_path / "secret").write_text("FROM scratch\n")
    (context / "out").symlink_to(tmp_path / "secret")
    with pytest.raises(PenstockError, match="is not in the folder to build from"):
        dockerfile_in(context, path)
    assert dockerfile_in(context, "link/a") == context / "link" / "a"


def test_a_dockerfile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="Dockerfile cannot be read"):
        parents(tmp_path / "Dockerfile")


def test_packages_are_installed_on_top_of_an_image(tmp_path: Path) -> None:
    write_package_context(tmp_path, "base:1", ["numpy<2", "--extra-index-url https://h/simple"])
    assert (tmp_path / "requirements.txt").read_text() == "numpy<2\n--extra-index-url https://h/simple\n"
    assert (tmp_path / "Dockerfile").read_text().startswith("FROM base:1\nCOPY requirements.txt")


def test_passwords_do_not_get_into_images(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="would leave its password in the image") as refused:
        write_package_context(tmp_path, "base:1", ["--extra-index-url https://user:hunter2@h/simple"])
    assert "hunter2" not in refused.value.message
    assert not (tmp_path / "requirements.txt").exists()
