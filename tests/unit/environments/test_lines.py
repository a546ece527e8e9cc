"""Requirement lines: what is kept, what is dropped with a word, what is refused with a reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.commands import masked
from penstock.domain.errors import PenstockError
from penstock.environments.lines import normalised, read_lines


def read(*lines: str):
    return read_lines(lines, "requirements")


def test_comments_blanks_and_continuations_are_understood():
    lines = [
        "# all",
        "",
        "numpy >= 1.20  # why",
        "pandas==2.0 \\",
        "  --hash=sha256:ab",
        "x @ https://h/x.whl#sha256=1",
    ]
    assert read(*lines).packages == (
        "numpy>=1.20",
        "pandas==2.0 --hash=sha256:ab",
        "x @ https://h/x.whl#sha256=1",
    )


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("-i https://h/simple", "--index-url https://h/simple"),
        ("--extra-index-url=https://h/simple", "--extra-index-url https://h/simple"),
        ("--pre", "--pre"),
        ("--only-binary :all:", "--only-binary :all:"),
        ("--trusted-host h", "--trusted-host h"),
        ("git+https://h/r.git@v1", "git+https://h/r.git@v1"),
        ("inference-schema[numpy-support]==1.3.0", "inference-schema[numpy-support]==1.3.0"),
        ('tomli; python_version < "3.11"', 'tomli; python_version < "3.11"'),
    ],
)
def test_what_pip_takes_from_a_registry_is_kept(line, kept):
    assert read(line).packages == (kept,)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("-r other.txt", "write its lines here"),
        ("-rother.txt", "write its lines here"),
        ("--requirement=other.txt", "write its lines here"),
        ("-c constraints.txt", "write its lines here"),
        ("-e .", "not installed from folders"),
        ("--editable ./src", "not installed from folders"),
        (".", "do not travel"),
        ("./src/pkg", "do not travel"),
        ("/tmp/x.whl", "do not travel"),
        ("dist/x-1.0-py3-none-any.whl", "do not travel"),
        ("file:///tmp/x.whl", "do not travel"),
        ("x @ file:///tmp/x.whl", "do not travel"),
        ("--find-links /opt/wheels", "give a URL"),
        ("--index-url", "not supported"),
        ("--no-such-option 1", "not supported"),
        ("numpy=1.20", "not a requirement"),
        ("two words", "not a requirement"),
    ],
)
def test_what_cannot_work_is_refused_with_the_reason(line, fault):
    with pytest.raises(PenstockError, match=fault) as caught:
        read(line)
    assert line in caught.value.message


def test_all_faults_are_named_at_once():
    with pytest.raises(PenstockError, match=r"'-e \.'.*'numpy=1'"):
        read("-e .", "six", "numpy=1")


def test_packages_that_the_worker_provides_are_left_out_with_a_word():
    found = read("azureml-defaults==1.38", "azureml_inference_server_http", "azureml-ai-monitoring", "inference-schema")
    assert found.packages == ("azureml-ai-monitoring", "inference-schema")
    assert len(found.notices) == 2
    assert "azureml-defaults is left out" in found.notices[0]


def test_passwords_are_hidden_in_faults():
    with pytest.raises(PenstockError) as caught:
        read("--proxy https://me:hush@h/")
    assert "hush" not in caught.value.message
    assert masked("a https://u:p@h/x http://t@h and a@b.c") == "a https://***@h/x http://***@h and a@b.c"


def test_equal_wishes_are_equal_when_normalised():
    assert normalised(["B_x [b,a]>=1", "a"]) == normalised(["a", "b-x[a,b] >= 1", "a"])
    assert normalised(["--pre", "a"]) != normalised(["a"])


@settings(max_examples=40)
@given(st.lists(st.text(max_size=20), max_size=3))
def test_any_text_is_read_or_refused(lines):
    try:
        packages = read(*lines).packages
    except PenstockError:
        return
    assert read(*packages).packages == packages
    assert normalised(packages) == normalised(normalised(packages))
