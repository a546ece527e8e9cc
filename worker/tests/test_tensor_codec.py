"""Tensors of the Open Inference Protocol on the wire."""

import os
import subprocess
import textwrap
from pathlib import Path

from support.trained import python_with

# Its properties, in an environment that has numpy.
CODEC = """
    import json, math
    import numpy
    from hypothesis import given, settings, strategies as st
    from penstock_worker.messages import BadInputError
    from penstock_worker.tensors_wire import DTYPES, Tensor, listed, packed, tensors_in

    def elements(datatype):
        dtype = numpy.dtype(DTYPES[datatype])
        if datatype == "BYTES":
            return st.text().map(str.encode)
        if dtype.kind == "b":
            return st.booleans()
        if dtype.kind == "f":
            return st.floats(width=8 * dtype.itemsize, allow_nan=False, allow_infinity=False)
        return st.integers(int(numpy.iinfo(dtype).min), int(numpy.iinfo(dtype).max))

    @st.composite
    def tensors(draw):
        datatype = draw(st.sampled_from(list(DTYPES)))
        shape = draw(st.lists(st.integers(0, 4), min_size=1, max_size=3))
        values = draw(st.lists(elements(datatype), min_size=math.prod(shape), max_size=math.prod(shape)))
        array = numpy.empty(len(values), dtype=DTYPES[datatype])
        array[:] = values
        return Tensor(draw(st.text(min_size=1)), datatype, array.reshape(shape))

    def described(tensor):
        return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.array.shape)}

    unique = st.lists(tensors(), min_size=1, max_size=3, unique_by=lambda tensor: tensor.name)

    @settings(max_examples=150, deadline=None)
    @given(unique, st.data())
    def what_is_sent_either_way_arrives(sent, data):
        told, rest = [], b""
        for tensor in sent:
            if data.draw(st.booleans()):
                content = packed(tensor)
                rest += content
                told.append({**described(tensor), "parameters": {"binary_data_size": len(content)}})
            else:
                told.append({**described(tensor), "data": listed(tensor)})
        found = tensors_in(json.loads(json.dumps(told)), memoryview(rest), numpy)
        for one, other in zip(sent, found):
            assert (one.name, one.datatype, one.array.shape) == (other.name, other.datatype, other.array.shape)
            assert packed(one) == packed(other)
            assert other.array.dtype == one.array.dtype and other.array.flags.aligned

    names = st.sampled_from(["name", "datatype", "shape", "data", "parameters", "binary_data_size"])
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(list(DTYPES)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5), max_leaves=12)
    head = st.fixed_dictionaries({}, optional={
        "name": st.text(max_size=2) | anything, "datatype": st.sampled_from(list(DTYPES)) | anything,
        "shape": st.lists(st.integers(-2, 1 << 70), max_size=3) | anything, "data": anything,
        "parameters": st.fixed_dictionaries({"binary_data_size": st.integers(-2, 40)}) | anything})

    @settings(max_examples=400, deadline=None)
    @given(st.lists(head, max_size=3) | anything, st.binary(max_size=40))
    def whatever_comes_is_read_or_refused(told, rest):
        try:
            tensors_in(told, memoryview(rest), numpy)
        except BadInputError as error:
            assert list(error.body) == ["error"] and error.status == 400

    what_is_sent_either_way_arrives()
    whatever_comes_is_read_or_refused()
"""


def test_tensors_survive_the_wire_and_nothing_else_gets_through(tmp_path: Path) -> None:
    script = tmp_path / "codec.py"
    script.write_text(textwrap.dedent(CODEC))
    source = Path(__file__).parents[1] / "src"
    environ = {**os.environ, "PYTHONPATH": str(source), "PYTHONWARNINGS": "error"}
    command = [python_with(("numpy", "hypothesis")), str(script)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=120)
    assert ran.returncode == 0, ran.stderr[-4000:]
