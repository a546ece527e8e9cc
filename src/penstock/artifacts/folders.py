"""The client's side of artifacts: a file or folder of the user's, read into a tree and the files that make it up."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from penstock.domain.artifact import MAX_FILES, ArtifactReference, Entry, Tree, check_tree
from penstock.domain.errors import invalid

_IGNORE_FILES = (".amlignore", ".gitignore")  # the first that exists counts, as with az
_ALWAYS_LEFT_OUT = frozenset({".git", "__pycache__", ".ipynb_checkpoints"})
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What is to be sent: the tree, and for each blob a file that has it. `reference` is how specs name it."""

    tree: Tree
    files: Mapping[str, Path]
    reference: str


def pack(path: Path, progress: Callable[[int], None] | None = None) -> Packed:
    """Read `path` into a tree whose paths all begin with its name (for `.`, the folder's real name).

    `progress` is told how many bytes were read since it was told last. Leaves out what `.amlignore`, else
    `.gitignore`, at the top of the folder says. Raises `invalid` for what cannot travel: nothing at all, links that
    lead outside, sockets and the like, more files than an artifact may have.
    """
    path = Path(os.path.abspath(path))
    if not path.exists():
        raise invalid(f"{path} does not exist")
    if not path.name:
        raise invalid(f"{path} has no name: give a folder or file below it")
    entries: list[Entry] = []
    files: dict[str, Path] = {}
    for file, name in _files(path):
        if len(entries) == MAX_FILES:
            raise invalid(f"{path} has more than {MAX_FILES:,} files: leave some out with an .amlignore file")
        entry = _entry(file, name, progress)
        entries.append(entry)
        files.setdefault(entry.sha256, file)
    if not entries:
        raise invalid(f"{path} has no files to send (is all of it left out by .amlignore or .gitignore?)")
    tree = check_tree(Tree(entries=tuple(entries)))
    return Packed(tree=tree, files=files, reference=str(ArtifactReference(tree.digest(), path.name)))


def _files(path: Path) -> Iterator[tuple[Path, str]]:
    """Every file to send, with its path in the tree, in a stable order."""
    if path.is_dir():
        yield from _below(path, path, _ignored_by(path))
    elif path.is_file():
        yield path, path.name
    else:
        raise invalid(f"{path} is neither a file nor a folder")


def _below(root: Path, folder: Path, ignored: GitIgnoreSpec) -> Iterator[tuple[Path, str]]:
    try:
        found = sorted(os.scandir(folder), key=lambda found: found.name)
    except PermissionError:
        raise invalid(f"{folder} cannot be read: check its permissions") from None
    for item in found:
        file = folder / item.name
        inside = file.relative_to(root).as_posix()
        is_folder = item.is_dir(follow_symlinks=False)
        if item.name in _ALWAYS_LEFT_OUT or ignored.match_file(f"{inside}/" if is_folder else inside):
            continue
        if is_folder:
            yield from _below(root, file, ignored)
        else:
            _check_file(root, file)
            yield file, f"{root.name}/{inside}"


def _ignored_by(folder: Path) -> GitIgnoreSpec:
    for name in _IGNORE_FILES:
        file = folder / name
        if not file.is_file():
            continue
        try:
            return GitIgnoreSpec.from_lines(file.read_text(encoding="utf-8-sig").splitlines())
        except (OSError, ValueError) as err:
            raise invalid(f"{file} cannot be read: {err}") from err
    return GitIgnoreSpec.from_lines([])


def _check_file(root: Path, file: Path) -> None:
    if file.is_symlink():
        target = file.resolve()
        if not target.is_relative_to(root.resolve()):
            raise invalid(f"{file} is a link to {target}, outside of {root}: copy what it leads to, or leave it out")
        if target.is_dir():
            raise invalid(f"{file} is a link to a folder: copy what it leads to, or leave it out with .amlignore")
        if not target.exists():
            raise invalid(f"{file} is a link to {target}, which does not exist")
    if not file.is_file():
        raise invalid(f"{file} is not a regular file: leave it out with .amlignore")


def _entry(file: Path, name: str, progress: Callable[[int], None] | None) -> Entry:
    sha256, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as stream:
            executable = bool(os.fstat(stream.fileno()).st_mode & stat.S_IXUSR)
            while chunk := stream.read(_CHUNK_BYTES):
                sha256.update(chunk)
                size += len(chunk)
                if progress is not None:
                    progress(len(chunk))
    except OSError as err:
        raise invalid(f"{file} cannot be read: {err.strerror}") from err
    return Entry(path=name, sha256=sha256.hexdigest(), size=size, executable=executable)
