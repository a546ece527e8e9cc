"""Scoring scripts and requests on which Azure's inference server and ours are compared."""

from typing import Any

STANDARD = "from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType as P\n"
DECORATORS = "from inference_schema.schema_decorators import input_schema, output_schema\n"
NUMPY = (
    "import numpy as np\nfrom inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType as N\n"
)
PANDAS = (
    "import pandas as pd\nfrom inference_schema.parameter_types.pandas_parameter_type import PandasParameterType as T\n"
)
RAW = (
    "from azureml.contrib.services.aml_request import AMLRequest, rawhttp\n"
    "from azureml.contrib.services.aml_response import AMLResponse\n"
)
INIT = "def init(): pass\n"

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def get(path: str, **headers: str) -> dict[str, Any]:
    return {"method": "GET", "path": path, "headers": _named(headers), "body": ""}


def post(body: str, kind: str | None = "application/json", **headers: str) -> dict[str, Any]:
    """`body` in Latin-1."""
    types = {} if kind is None else {"Content-Type": kind}
    return {"method": "POST", "path": "/score", "headers": {**types, **_named(headers)}, "body": body}


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def swagger(*versions: str) -> list[dict[str, Any]]:
    return [get(f"/swagger.json?version={version}") for version in versions]


MULTIPART = (
    '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    '--b\r\nContent-Disposition: form-data; name="f"; filename="f.txt"\r\nContent-Type: text/plain\r\n\r\nfile\r\n'
    "--b--\r\n"
)
MULTIPART_TYPE = "multipart/form-data; boundary=b"

# Each: a script, and what it is asked.
CASES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "echo": (
        INIT + "def run(data): return data",
        [
            post('{"a": 1}'),
            post("\xc3\xa9", "text/plain"),
            post("", None),
            post("\xff"),
            post("a=1", "application/x-www-form-urlencoded"),
            post(MULTIPART, MULTIPART_TYPE),
            get("/score"),
            get("/score?a=1&b=x&a=%5B2%5D&c=null&d="),
            get("/"),
            post("x", x_request_id="r" * 101),
            post("x", x_ms_request_id="r" * 101),
            post("x", x_ms_request_id="one"),
            post("x", x_ms_client_request_id="two", x_request_id="three", TraceId="t"),
            post("x", x_ms_client_request_id="two", x_ms_request_id="one"),
            {"method": "OPTIONS", "path": "/score", "headers": {}, "body": ""},
            {"method": "DELETE", "path": "/score", "headers": {}, "body": ""},
            get("/nothing"),
            get("/swagger.json"),
            *swagger("2", "2.0", "3", "3.0", "3.1", "4", "x"),
        ],
    ),
    "results": (
        INIT
        + "import datetime\n"
        + "RESULTS = {'none': None, 'text': '{}', 'nan': float('nan'), 'tuple': (1, 'é'), 'set': {1}, 'bytes': b'x'}\n"
        + "def run(data):\n    if data == 'raise': raise ValueError('secret')\n"
        + "    if data == 'timeout': raise KeyError('x')\n    return RESULTS[data]",
        [post(name, None) for name in ("none", "text", "nan", "tuple", "set", "bytes", "raise", "timeout")],
    ),
    "headers": (
        INIT
        + "def run(request_headers, data='x', more=1):\n"
        + "    h = request_headers\n    return [type(h).__name__, h['X-One'], 'Content-Type' in h, more]",
        [post("1", X_One="1"), post("1", "text/plain", x_one="2"), post("1")],
    ),
    "standard": (
        STANDARD
        + DECORATORS
        + INIT
        + "@input_schema('a', P(1))\n@input_schema('b', P(1.5))\n@output_schema(P({'r': 1.0}))\n"
        + "def run(a, b, c='d'): return {'r': a * b, 'c': c, 't': type(b).__name__}",
        [
            post('{"a": 2, "b": 3.0}'),
            post('{"b": 3, "a": 2, "c": null, "unknown": []}'),
            post('{"a": 2}'),
            post("[1]"),
            post("{"),
            post(""),
            post('{"a": 2, "b": 3.0}', "text/plain"),
            post('{"a": 2, "b": 3.0}', None),
            post('{"a": 2, "b": 3.0}', "application/vnd.x+json; charset=utf-8"),
            post('{"a": "2", "b": 3.0}'),
            post('{"a": 2.5, "b": 3.0}'),
            get("/score?a=2&b=1.5"),
            get("/score?a=2"),
            *swagger("2", "3", "3.1"),
        ],
    ),
    "kinds": (
        STANDARD
        + DECORATORS
        + "import datetime as d\n"
        + INIT
        + "@input_schema('t', P(d.datetime(2020, 1, 2, 3, 4, 5)))\n@input_schema('c', P(d.time(1, 2)), optional=True)\n"
        + "@input_schema('b', P(b'xy'))\n@input_schema('s', P('text'))\n@input_schema('f', P(True))\n"
        + "@input_schema('m', P({'k': [1, 2], 'v': {'w': 'x'}}))\n"
        + "def run(t, b, s, f, m, c=None): return [t.isoformat(), b.hex(), s, f, m, str(c)]",
        [
            post('{"t": "2021-02-03T04:05:06", "b": "YWI=", "s": "s", "f": false, "m": {"k": []}}'),
            post('{"t": "2021-02-03T04:05:06Z", "b": "YWI=", "s": "s", "f": true, "m": {}, "c": "03:04:05"}'),
            post('{"t": "2021-02-03T04:05:06", "b": "YWI=", "s": "s", "f": 1, "m": {}}'),
            post('{"t": "no time", "b": "YWI=", "s": "s", "f": true, "m": {}}'),
            post('{"t": "2021-02-03", "b": "YWI=", "s": "s", "f": true, "m": []}'),
            *swagger("2", "3"),
        ],
    ),
    "mixed": (
        STANDARD + DECORATORS + INIT + "@input_schema('a', P([1, 'x']))\ndef run(a): return a",
        [post('{"a": [1, 2]}'), post('{"a": {}}'), *swagger("2", "3", "9")],
    ),
    "numpy": (
        NUMPY
        + DECORATORS
        + INIT
        + "@input_schema('data', N(np.array([[1.0, 2.0, 3.0]])))\n@output_schema(N(np.array([1.0])))\n"
        + "def run(data): return [str(data.dtype), list(data.shape), data.sum(axis=1).tolist()]",
        [
            post('{"data": [[1, 2, 3], [4, 5, 6]]}'),
            post('{"data": []}'),
            post('{"data": [[1, 2]]}'),
            post('{"data": [1, 2, 3]}'),
            post('{"data": [[1, 2, "x"]]}'),
            post('{"data": [[1, 2, 3], [4]]}'),
            post('{"data": {"a": 1}}'),
            post('{"data": [["1", "2", "3"]]}'),
            get("/score?data=[[1,2,3]]"),
            *swagger("2", "3"),
        ],
    ),
    "structured": (
        NUMPY
        + DECORATORS
        + INIT
        + "S = np.array([(1, 2.5, 'ab', np.datetime64('2020-01-02'), np.timedelta64(2, 'D'))], dtype=[('i', 'i4'),"
        + " ('x', 'f4'), ('s', 'U4'), ('t', 'M8[s]'), ('d', 'm8[s]')])\n"
        + "@input_schema('data', N(S))\ndef run(data): return [str(part) for part in data[0]]",
        [
            post('{"data": [{"i": 1, "x": 2, "s": "cd", "t": "2021-03-04", "d": "3 days"}]}'),
            post('{"data": [[1, 2, "cd", "2021-03-04T05:06:07", "3 hours"]]}'),
            post('{"data": [[1, 2, "cd", "2021-03-04", "3 fortnights"]]}'),
            *swagger("2", "3"),
        ],
    ),
    "pandas": (
        PANDAS
        + DECORATORS
        + INIT
        + "S = pd.DataFrame({'a': [1], 'b': [1.5], 's': ['x'], 't': pd.to_datetime(['2020-01-01'])})\n"
        + "@input_schema('data', T(S))\n"
        + "def run(data): return [str(data.dtypes.to_dict()), list(data.columns), list(data['b']), str(data['t'][0])]",
        [
            post('{"data": [{"a": 1, "b": 2, "s": "y", "t": "2021-02-03"}]}'),
            post('{"data": [{"s": "y", "b": 2, "a": 1, "t": "2021-02-03T04:05:06"}]}'),
            post('{"data": {"a": [1], "b": [2.5], "s": ["y"], "t": ["2021-02-03"]}}'),
            post('{"data": [{"a": 1, "b": 2, "s": "y"}]}'),
            post('{"data": [{"a": "one", "b": 2, "s": "y", "t": "2021-02-03"}]}'),
            post('{"data": "x"}'),
            *swagger("2", "3"),
        ],
    ),
    "orients": (
        PANDAS
        + DECORATORS
        + INIT
        + "S = pd.DataFrame({'a': [1, 2], 't': pd.to_datetime(['2020-01-01', '2020-01-02'])}, index=['p', 'q'])\n"
        + "@input_schema('split', T(S, orient='split'))\n@input_schema('columns', T(S, orient='columns'))\n"
        + "@input_schema('index', T(S, orient='index'))\n@input_schema('values', T(S, orient='values'))\n"
        + "def run(split, columns, index, values): return [split.shape, columns.shape, index.shape, values.shape]",
        [
            post(
                '{"split": {"columns": ["a", "t"], "index": ["x"], "data": [[1, "2020-01-01"]]},'
                ' "columns": {"a": {"x": 1}, "t": {"x": "2020-01-01"}}, "values": [[1, "2020-01-01"]],'
                ' "index": {"x": {"a": 1, "t": "2020-01-01"}}}'
            ),
            *swagger("2", "3"),
        ],
    ),
    "nested": (
        NUMPY
        + PANDAS
        + STANDARD
        + DECORATORS
        + INIT
        + "A, F = np.array([[1]]), pd.DataFrame({'a': [1]})\n"
        + "@input_schema('d', P({'n': N(A), 'p': T(F), 'x': P(1), 'l': P([P(1.5)])}))\n"
        + "def run(d): return {k: [type(v).__name__, str(v)] for k, v in sorted(d.items())}",
        [
            post('{"d": {"n": [[1], [2]], "p": [{"a": 5}], "x": 3, "l": [1.5, 2], "other": "o"}}'),
            post('{"d": {"x": 3}}'),
            post('{"d": {"x": "3"}}'),
            post('{"d": {"n": [[1, 2]]}}'),
            post('{"d": [1]}'),
            *swagger("2", "3"),
        ],
    ),
    "raw": (
        RAW
        + INIT
        + "import json\n"
        + "@rawhttp\ndef run(request):\n"
        + "    r = request\n"
        + "    if r.args.get('status'): return AMLResponse(r.get_data(), int(r.args['status']),"
        + " {'X-One': 'a, b', 'Content-Type': r.headers.get('accept', 'text/csv')})\n"
        + "    if r.args.get('none'): return AMLResponse(None, 200)\n"
        + "    if r.args.get('json'): return AMLResponse({'a': 1}, 201, json_str=True, run_function_failed=True)\n"
        + "    if r.args.get('stream'): return AMLResponse((p for p in ('a', 'b')), 200)\n"
        + "    if r.args.get('read'): return r.json\n"
        + "    files = {k: [f.filename, f.read().decode(), f.content_type] for k, f in r.files.items()}\n"
        + "    return [r.method, r.path, r.full_path, r.query_string.decode(), r.args.to_dict(flat=False), r.host,"
        + " r.url, r.base_url, r.content_type, r.mimetype, r.is_json, r.get_json(silent=True), r.form.to_dict(), files,"
        + " r.data.decode('latin-1'), '' if r.form else r.get_data(as_text=True), r.values.to_dict(),"
        + " dict(r.cookies), r.remote_addr, r.headers.get('X-ONE'), r.content_length, r.scheme]",
        [
            post('{"a": 1}', X_One="1", Cookie="a=b; c=d"),
            post("a=1&b=%C3%A9&a=2", "application/x-www-form-urlencoded"),
            post(MULTIPART, MULTIPART_TYPE),
            post("\x00\xfe", "application/octet-stream"),
            get("/score?x=1&x=2&y=%20"),
            {"method": "OPTIONS", "path": "/score", "headers": {}, "body": ""},
            *(
                {"method": "POST", "path": f"/score?{query}", "headers": JSON, "body": "{}"}
                for query in ("status=200", "status=202", "status=404", "status=503", "none=1", "json=1", "stream=1")
            ),
            {"method": "POST", "path": "/score?read=1", "headers": {"Content-Type": "text/plain"}, "body": "{}"},
            {"method": "POST", "path": "/score?read=1", "headers": JSON, "body": "{}"},
            *swagger("2", "3"),
        ],
    ),
    "api": (
        "from azureml_inference_server_http.api.aml_request import rawhttp\n"
        "from azureml_inference_server_http.api.aml_response import AMLResponse\n"
        + INIT
        + "@rawhttp\ndef run(request, request_headers):\n"
        + "    return AMLResponse(request_headers['X-One'], 200, {'X-Back': request.headers['x-one']})",
        [post("x", X_One="1")],
    ),
    "timeout": (
        INIT + "import time\ndef run(data):\n    time.sleep(float(data))\n    return 'done'",
        [post("0"), post("0.2"), post("0")],
    ),
    "cors": (
        INIT + "def run(data): return 1",
        [
            post("x", Origin="https://one.example"),
            post("x", Origin="https://other.example"),
            {
                "method": "OPTIONS",
                "path": "/score",
                "headers": {
                    "Origin": "https://two.example",
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization, content-type",
                },
                "body": "",
            },
        ],
    ),
}
VARIABLES: dict[str, dict[str, str]] = {
    "timeout": {"SCORING_TIMEOUT_MS": "100"},
    "cors": {"AML_CORS_ORIGINS": "https://one.example, https://two.example"},
    "standard": {"SERVICE_NAME": "my service", "SERVICE_VERSION": "2.1", "SERVICE_PATH_PREFIX": "/a/b/"},
    "headers": {"SERVER_VERSION_LOG_RESPONSE_ENABLED": "false"},
}
