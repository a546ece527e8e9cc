"""az's flags with several values are read as users write them."""

import pytest

from penstock.cli.edits import SEPARATOR
from penstock.cli.words import regrouped


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x update --set a=1 b=2 -n c", ["x", "update", "--set", "a=1", "--set", "b=2", "-n", "c"]),
        ("x update --set=a=1 b=2", ["x", "update", "--set=a=1", "--set", "b=2"]),
        ("x update --add l 1 --add m 2", ["x", "update", "--add", f"l{SEPARATOR}1", "--add", f"m{SEPARATOR}2"]),
        ("autoscale rule create --scale out 2", ["autoscale", "rule", "create", "--scale", f"out{SEPARATOR}2"]),
        ("x --recurrence week sat sun", ["x", "--recurrence", SEPARATOR.join(["week", "sat", "sun"])]),
        ("x --index 0 2", ["x", "--index", "0", "--index", "2"]),
        ("apply -f a.yml b.yml", ["apply", "-f", "a.yml", "-f", "b.yml"]),
        ("online-deployment create -f a.yml b.yml", ["online-deployment", "create", "-f", "a.yml", "b.yml"]),
        ("online-endpoint update -r blue=1 green=99", ["online-endpoint", "update", "-r", "blue=1", "-r", "green=99"]),
        ("online-endpoint invoke -r - -n a", ["online-endpoint", "invoke", "-r", "-", "-n", "a"]),
    ],
)
def test_each_value_gets_its_flag(line: str, expected: list[str]) -> None:
    assert regrouped(line.split()) == expected
