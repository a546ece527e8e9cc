"""Loading scoring scripts: what is found, what is refused and in which words, and what run() is given."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock_worker import contract
from penstock_worker.failure import LoadError
from penstock_worker.messages import BadInputError, Request
from penstock_worker.script import Script, ScriptPlace, load_script


@pytest.fixture(autouse=True)
def _clean_imports() -> Iterator[None]:
    path, modules, finders = list(sys.path), set(sys.modules), list(sys.meta_path)
    yield
    sys.path[:], sys.meta_path[:] = path, finders
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def call(script: Script, request: Request) -> Any:
    return script.run(script.read(request))


def load(folder: Path, text: str, name: str = "score.py") -> Script:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return load_script(ScriptPlace(folder, name), memory_bytes=None)


def failure(folder: Path, text: str) -> LoadError:
    with pytest.raises(LoadError) as caught:
        load(folder, text)
    return caught.value


def post(body: bytes, **headers: str) -> Request:
    encoded = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request("POST", "/score", "", encoded, body)


ECHO = "def init(): pass\ndef run(data): return data\n"


def test_run_gets_the_body_as_text_whatever_its_type(tmp_path: Path) -> None:
    script = load(tmp_path, ECHO)
    assert call(script, post(b"a=1", content_type="application/x-www-form-urlencoded")) == "a=1"
    assert call(script, post("é".encode())) == "é"
    assert call(script, post(b"")) == ""


def test_a_body_that_is_not_utf8_is_the_callers_fault(tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as caught:
        call(load(tmp_path, ECHO), post(b"\xff"))
    assert caught.value.body["message"].startswith("Input cannot be decoded as UTF-8: ")


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("", {}),
        ("a=1&b=x&c=", {"a": 1, "b": "x", "c": ""}),
        ("a=1&a=2", {"a": [1, 2]}),
        ("a=%5B1%5D&b=%C3%A9", {"a": [1], "b": "é"}),
    ],
)
def test_a_get_gives_run_its_query_as_json(tmp_path: Path, query: str, given: object) -> None:
    assert json.loads(call(load(tmp_path, ECHO), Request("GET", "/score", query, {}, b""))) == given


def test_run_gets_headers_if_it_asks_for_them(tmp_path: Path) -> None:
    script = load(
        tmp_path, "def init(): pass\ndef run(request_headers, body, more=1): return request_headers, body, more"
    )
    assert call(script, post(b"b", x_one="1")) == ({"X-One": "1"}, "b", 1)


def test_the_app_root_comes_last_on_the_import_path(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('shadowed')")
    (tmp_path / "beside.py").write_text("answer = 42")
    script = load(tmp_path, "import json, beside\ndef init(): pass\ndef run(data): return beside.answer")
    assert call(script, post(b"")) == 42


def test_a_script_without_a_name_is_the_module_main(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(ECHO)
    assert call(load_script(ScriptPlace(tmp_path, None), None), post(b"x")) == "x"


def test_dataclasses_and_pickles_find_the_scripts_module(tmp_path: Path) -> None:
    script = load(
        tmp_path,
        "import pickle\nclass Thing: pass\ndef init(): pass\n"
        "def run(data): return type(pickle.loads(pickle.dumps(Thing()))).__module__",
    )
    assert call(script, post(b"")) == "entry_module"


def test_azures_modules_can_be_imported_in_every_way(tmp_path: Path) -> None:
    script = load(
        tmp_path,
        "from azureml.contrib.services.aml_response import AMLResponse\n"
        "from azureml.contrib.services.aml_request import AMLRequest, rawhttp\n"
        "from azureml.contrib.services import aml_response\n"
        "import azureml.contrib.services.aml_response as third\n"
        "assert AMLResponse is aml_response.AMLResponse is third.AMLResponse\n"
        "def init(): pass\ndef run(data): return AMLResponse(data, 202)",
    )
    assert call(script, post(b"x")).status_code == 202


def test_azures_installed_packages_are_left_in_place(tmp_path: Path) -> None:
    (tmp_path / "azureml" / "core").mkdir(parents=True)
    (tmp_path / "azureml" / "core" / "__init__.py").write_text("real = True")
    script = load(
        tmp_path,
        "import azureml.core\nfrom azureml.contrib.services.aml_response import AMLResponse\n"
        "def init(): pass\ndef run(data): return azureml.core.real",
    )
    assert call(script, post(b"")) is True


def test_the_run_of_a_driven_module_is_called(tmp_path: Path) -> None:
    (tmp_path / "inner.py").write_text("def run(data): return 'inner'")
    script = load(tmp_path, "import inner as driver_module\ndef init(): pass\ndef run(data): return 'outer'")
    assert call(script, post(b"")) == "inner"


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        pytest.param(
            "def init(): pass",
            contract.SCRIPT_FUNCTION_NOT_FOUND,
            "score.py defines no function run()",
            id="no run",
        ),
        pytest.param("def run(data): pass", contract.SCRIPT_FUNCTION_NOT_FOUND, "no function init()", id="no init"),
        pytest.param(
            "def init(): pass\ndef run(): pass", contract.SCRIPT_FUNCTION_NOT_FOUND, "a parameter for", id="no input"
        ),
        pytest.param(
            "def init(): pass\ndef run(request_headers): pass",
            contract.SCRIPT_FUNCTION_NOT_FOUND,
            "a parameter for the input",
            id="headers only",
        ),
        pytest.param(
            "def init(): pass\ndef run(*args): pass", contract.SCRIPT_FUNCTION_NOT_FOUND, "*args", id="star arguments"
        ),
        pytest.param(
            "def init(): pass\ndef run(a, /): pass", contract.SCRIPT_FUNCTION_NOT_FOUND, "positional", id="positional"
        ),
        pytest.param(
            "def init(): pass\ndef run(a, b): pass",
            contract.SCRIPT_FUNCTION_NOT_FOUND,
            "defaults for all parameters but the first: b",
            id="a parameter that nobody fills",
        ),
        pytest.param(
            "from azureml.contrib.services.aml_request import rawhttp\n"
            "from inference_schema.schema_decorators import input_schema\n"
            "from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as P\n"
            "def init(): pass\n@rawhttp\n@input_schema('r', P(1))\ndef run(r): pass",
            contract.SCRIPT_FUNCTION_NOT_FOUND,
            "must not be decorated with both @rawhttp and @input_schema",
            id="both ways of taking input",
        ),
        pytest.param(
            "import nothing_of_this_name",
            contract.SCRIPT_IMPORT_ERROR,
            "score.py cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name' "
            "(score.py, line 1)",
            id="an import that fails",
        ),
        pytest.param("x = 1\ndef init(:", contract.SCRIPT_IMPORT_ERROR, "SyntaxError: ", id="a syntax error"),
        pytest.param(
            "def init():\n    raise ValueError('no\\nmodel')\ndef run(data): pass",
            contract.SCRIPT_INIT_FAILED,
            "init() in score.py raised ValueError: no\nmodel (score.py, line 2)",
            id="an init that raises",
        ),
        pytest.param(
            "import sys\ndef init():\n    sys.exit(0)\ndef run(data): pass",
            contract.SCRIPT_INIT_FAILED,
            "init() in score.py raised SystemExit: 0 (score.py, line 3)",
            id="an init that exits",
        ),
        pytest.param(
            "class Odd(Exception):\n  def __str__(self): raise KeyError\n"
            "def init():\n    raise Odd\ndef run(data): pass",
            contract.SCRIPT_INIT_FAILED,
            "raised Odd: ",
            id="an exception that cannot be told",
        ),
    ],
)
def test_scripts_that_cannot_be_served_say_why(tmp_path: Path, text: str, reason: str, message: str) -> None:
    error = failure(tmp_path, text)
    assert error.reason == reason
    assert message in error.message


def test_a_missing_script_names_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        load_script(ScriptPlace(tmp_path, "other.py"), None)
    assert caught.value.reason == contract.SCRIPT_FILE_NOT_FOUND
    assert "'other.py'" in caught.value.message
    assert str(tmp_path) in caught.value.message


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    assert failure(tmp_path, "x = 1\ndef init(:").message.endswith("(score.py, line 2)")


def test_the_traceback_shows_the_users_frames_alone(tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text("import json\ndef load():\n    return json.loads('{')")
    error = failure(
        tmp_path,
        "import deep\ndef init():\n    try:\n        deep.load()\n    except ValueError as e:\n"
        "        raise RuntimeError('no model') from e\ndef run(data): pass",
    )
    assert "(score.py, line 6)" in error.message
    assert 'deep.py", line 3, in load' in error.traceback
    assert "json/decoder.py" in error.traceback
    assert "penstock_worker" not in error.traceback
    assert "importlib" not in error.traceback
