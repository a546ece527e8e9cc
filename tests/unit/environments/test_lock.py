"""Locks are read as uv writes them, kept without passwords, and filled with what the requirements say."""

from penstock.environments.lock import Pin, as_asked, lock_text, mismatched, read_lock, unhashed

WRITTEN = """\
made-up @ https://me:hush@example.org/made_up-1.0-py3-none-any.whl \\
    --hash=sha256:aa
from-git @ git+https://me:hush@example.org/from.git@0123abcd
penstock-worker @ file:///old/penstock_worker-0.1.0-py3-none-any.whl \\
    --hash=sha256:bb
six==1.17.0 \\
    --hash=sha256:cc \\
    --hash=sha256:dd
    # via
    #   -r -
    #   made-up
"""
WORKER = Pin("penstock-worker @ file:///new/penstock_worker-0.1.0-py3-none-any.whl", ("sha256:ee",))


def test_what_uv_writes_is_read():
    pins = {pin.name: pin for pin in read_lock(WRITTEN)}
    assert list(pins) == ["made-up", "from-git", "penstock-worker", "six"]
    assert pins["six"] == Pin("six==1.17.0", ("sha256:cc", "sha256:dd"), ("# via", "#   -r -", "#   made-up"))
    assert unhashed(pins.values()) == ["from-git"]


def test_what_is_kept_holds_no_password_and_is_read_again():
    kept = lock_text(read_lock(WRITTEN))
    assert "hush" not in kept
    assert lock_text(read_lock(kept)) == kept
    packages = (
        "made-up @ https://me:hush@example.org/made_up-1.0-py3-none-any.whl",
        "from-git @ git+https://me:hush@example.org/from.git",
    )
    requirements = [pin.requirement for pin in as_asked(read_lock(kept), packages, WORKER)]
    assert requirements[:2] == [packages[0], f"{packages[1]}@0123abcd"]


def test_hashes_that_the_user_gives_count_alone():
    pins = as_asked(read_lock(WRITTEN), ("Six==1.17.0 --hash=sha256:dd",), WORKER)
    assert [pin.hashes for pin in pins if pin.name == "six"] == [("sha256:dd",)]


def test_the_worker_is_the_one_that_is_there_now_also_if_the_lock_has_none():
    assert as_asked(read_lock(WRITTEN), (), WORKER)[-1] == WORKER
    assert as_asked([], (), WORKER) == [WORKER]
    assert str(WORKER) == f"{WORKER.requirement} \\\n    --hash=sha256:ee"


def test_another_file_than_the_locked_one_is_told_by_name():
    assert mismatched("error: Failed to download\n  cause: Hash mismatch for `six==1.17.0`\n") == "six==1.17.0"
    assert mismatched("error: Failed to download `six==1.17.0`") is None
