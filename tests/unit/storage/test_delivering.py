"""Final files that are moved to where the caller wants them: whole, once, and never in another file's place."""

from pathlib import Path

import pytest

from penstock.domain.errors import Code, PenstockError
from penstock.storage.delivering import deliver, take_back


class World:
    def __init__(self, folder: Path) -> None:
        self.made, self.wanted = folder / "made", folder / "a" / "wanted"
        self._mark = folder / "stores" / "z-store.stored"
        self.make("one.csv", "1")
        self.make("2026/two.csv", "22")

    def make(self, name: str, text: str) -> None:
        (self.made / name).parent.mkdir(parents=True, exist_ok=True)
        (self.made / name).write_text(text)

    def deliver(self) -> int:
        return deliver(self.made, self.wanted, self._mark, "april", lambda: None)

    def take_back(self) -> None:
        take_back(self.wanted, self._mark)

    def files(self) -> dict[str, str]:
        return {str(p.relative_to(self.wanted)): p.read_text() for p in self.wanted.rglob("*") if p.is_file()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_all_files_come_and_none_is_left(world: World) -> None:
    assert world.deliver() == 3
    assert world.files() == {"one.csv": "1", "2026/two.csv": "22"}
    assert not [path for path in world.made.rglob("*") if path.is_file()]
    assert world.deliver() == 0


def test_killed_on_the_way_it_comes_to_the_same(world: World) -> None:
    world.deliver()
    world.make("one.csv", "1")  # it was not removed yet
    world.make("three.csv", "333")  # it had not come yet
    (world.wanted / ".penstock-april").write_text("half of thr")
    world.deliver()
    assert world.files() == {"one.csv": "1", "2026/two.csv": "22", "three.csv": "333"}


def test_a_file_of_somebody_elses_is_not_replaced(world: World) -> None:
    world.wanted.mkdir(parents=True)
    (world.wanted / "one.csv").write_text("theirs")
    with pytest.raises(PenstockError, match=r"holds one\.csv already") as refused:
        world.deliver()
    assert (refused.value.code, world.files()) == (Code.CONFLICT, {"one.csv": "theirs"})


def test_links_do_not_lead_to_other_peoples_files(world: World, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (world.made / "shown.csv").symlink_to(tmp_path / "secret")
    world.deliver()
    assert "shown.csv" not in world.files()


def test_a_place_that_cannot_be_written_is_named(world: World, tmp_path: Path) -> None:
    world.wanted.parent.write_text("a file")
    with pytest.raises(PenstockError, match="give another output path"):
        world.deliver()


def test_what_was_delivered_is_taken_back_and_nothing_else(world: World) -> None:
    world.wanted.mkdir(parents=True)
    (world.wanted / "theirs.csv").write_text("theirs")
    world.deliver()
    world.take_back()
    world.take_back()
    assert world.files() == {"theirs.csv": "theirs"}
