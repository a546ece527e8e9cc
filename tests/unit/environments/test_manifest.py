"""What counts as damage of an environment, and how it is told."""

from penstock.environments.manifest import Damage, compared

BUILT = {"a.py": (1, 10), "b.py": (2, 20), "lib/__pycache__/a.pyc": (3, 30)}


def test_an_environment_as_it_was_built_is_whole():
    assert compared(BUILT, BUILT) is None


def test_size_and_time_tell_a_changed_file():
    there = {**BUILT, "a.py": (1, 11), "b.py": (3, 20)}
    assert compared(BUILT, there) == Damage(changed=("a.py", "b.py"), missing=(), added=())


def test_files_that_went_and_came_are_damage_but_for_new_byte_code():
    there = {"a.py": (1, 10), "lib/__pycache__/a.pyc": (3, 30), "lib/__pycache__/b.pyc": (1, 1), "c.py": (1, 1)}
    assert compared(BUILT, there) == Damage(changed=(), missing=("b.py",), added=("c.py",))


def test_a_sentence_names_some_files_of_each_kind():
    found = Damage(changed=("a", "b", "c", "d", "e"), missing=("f",), added=())
    assert str(found) == "changed: a, b, c and 2 more; missing: f"
