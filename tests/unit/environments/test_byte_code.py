"""Which files are compiled, and in how many processes."""

from pathlib import Path

from penstock.environments.byte_code import shares, sources


def test_modules_are_compiled_and_tests_of_packages_are_not(tmp_path):
    for path in ("a.py", "test/b.py", "pkg/c.py", "pkg/data.txt", "pkg/tests/d.py", "pkg/inner/test/e.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert [str(path.relative_to(tmp_path)) for path in sources(tmp_path)] == ["a.py", "pkg/c.py", "test/b.py"]


def test_work_is_shared_out_when_there_is_enough():
    few, many = [Path("a.py")] * 10, [Path(f"{n}.py") for n in range(1000)]
    assert shares(few, 8) == [few]
    assert [len(share) for share in shares(many, 2)] == [500, 500]
    assert sorted(path for share in shares(many, 3) for path in share) == sorted(many)
    assert shares([], 4) == [[]]
