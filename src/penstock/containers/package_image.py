"""Images that are another image with Python packages: the folder that they are built from."""

from collections.abc import Sequence
from pathlib import Path

from penstock.commands import masked
from penstock.domain.errors import invalid

# Whatever `python` the image means: the worker's environment in images that were made from the base image.
_DOCKERFILE = """\
FROM {image}
COPY requirements.txt /tmp/penstock-requirements.txt
RUN python -m pip install --no-cache-dir -r /tmp/penstock-requirements.txt
"""


def write_package_context(folder: Path, image: str, packages: Sequence[str]) -> None:
    """Write a Dockerfile that installs `packages` (lines for pip) in `image`, or that is `image` if there are none.

    Raises `invalid` if a line holds a password, which would stay in the image.
    """
    for line in packages:
        if masked(line) != line:
            raise invalid(
                f"the line {masked(line)!r} would leave its password in the image: put the index into pip.conf of "
                "this machine, which builds see and images do not keep"
            )
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in packages))
    text = _DOCKERFILE.format(image=image)
    (folder / "Dockerfile").write_text(text if packages else f"FROM {image}\n")
