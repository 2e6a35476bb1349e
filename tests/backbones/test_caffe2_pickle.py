"""Pickles of arrays: what NumPy writes is read back, anything else is refused and runs nothing."""

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from i3d.backbones.i3d_r50.caffe2_pickle import MAX_OPCODES, read_array_pickle
from i3d.errors import UserError
from tests.support.python2 import python2_pickle

ARRAYS = {
    "weights": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "columns": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "half": np.array([0.5, -2], np.float16),
    "big endian": np.array([1, 2, 3], ">i4"),
    "scalar array": np.array(0.25, np.float32),
}
SMALL = pickle.dumps({"blobs": {"conv1_w": np.ones((2, 3), np.float32), "lr": np.float32(0.1)}}, 2)


class Asks:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def read():
    def read_bytes(data: bytes):
        return read_array_pickle(data, Path("some.pkl"))

    return read_bytes


def refusal(read, data: bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(data)
    return str(caught.value)


@pytest.mark.parametrize("writer", [python2_pickle, *(lambda v, p=p: pickle.dumps(v, p) for p in range(6))])
def test_reads_what_numpy_writes_under_every_protocol(read, writer):
    content = {"blobs": ARRAYS, "model_iter": 400000, "lr": np.float32(0.01), "plain": [None, True, (1, -2.5), "ü", ()]}
    found = read(writer(content))
    assert found["model_iter"] == 400000
    assert found["lr"] == np.float32(0.01)
    assert found["plain"] == content["plain"]
    assert found["blobs"].keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found["blobs"][name].shape == array.shape
        assert found["blobs"][name].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found["blobs"][name], array)


def test_reads_ordered_dicts_and_arrays_that_occur_twice(read):
    array = np.ones(3, np.float32)
    found = read(pickle.dumps(OrderedDict(a=array, b=array), 2))
    assert list(found) == ["a", "b"]
    np.testing.assert_array_equal(found["b"], array)


@pytest.mark.parametrize("protocol", range(6))
def test_a_hostile_pickle_is_refused_by_name_and_runs_nothing(read, tmp_path, protocol):
    planted = tmp_path / "planted"
    assert "posix.mkdir" in refusal(read, pickle.dumps({"blobs": Asks(os.mkdir, str(planted))}, protocol))
    assert "eval" in refusal(read, pickle.dumps({"blobs": Asks(eval, f"open({str(planted)!r}, 'w')")}, protocol))
    assert not planted.exists()


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (b"cos\nsystem\n(S'echo'\ntR.", "os.system"),
        (b"(S'echo'\nios\nsystem\n.", "os system"),
        (b"(cos\nsystem\nS'echo'\no.", "OBJ"),
        (b"\x80\x04\x8c\x05numpy\x8c\x04load\x93.", "numpy.load"),
        (b"\x80\x04\x8c\x12numpy.core.numeric\x8c\x11_frombuffer.__glo\x93.", "_frombuffer.__glo"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02Pelsewhere\n.", "PERSID"),
        (b"\x80\x02cnumpy\nndarray\n}U\x03keyK\x01sb.", "fills in"),
        (b"\x80\x02cnumpy\nndarray\nN}U\x04nameU\x02oss\x86b.", "fills in"),
        (b"\x80\x02}U\x01aK\x01sK\x02b.", "not a readable pickle"),
        (b"\x80\x02\x8f.", "EMPTY_SET"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02c_codecs\nencode\nU\x01aU\x06base64\x86R.", "_codecs.encode"),
    ],
)
def test_every_way_to_ask_for_more_is_refused(read, data, asked):
    assert asked in refusal(read, data)


def test_arrays_of_python_objects_are_refused(read):
    assert "O8" in refusal(read, pickle.dumps(np.array([{}, []], object), 2))
    assert "fields" in refusal(read, pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")]), 2))


def test_a_few_bytes_cannot_exhaust_memory_or_the_stack(read):
    refusal(read, b"\x80\x02]r\xff\xff\xff\x7f]r\xfe\xff\xff\x7f" + b")" * 10)  # far memo places
    refusal(read, b"\x80\x04\x8e" + (1 << 50).to_bytes(8, "little") + b"few.")  # a petabyte of bytes, it says
    assert "not text" in refusal(read, b"\x80\x02})" + b"\x85" * (MAX_OPCODES // 2) + b"K\x01s.")  # hashed in depth
    assert "not text" in refusal(read, b"\x80\x02})" + b"2\x86" * 200 + b"K\x01s.")  # 2**200 to hash
    assert "steps" in refusal(read, b"\x80\x02" + b"]" * (MAX_OPCODES + 1) + b".")


@pytest.mark.parametrize("shape", [(2, 2**40), (-2, -3), (2**70, 0), ("a" * 9, 2**50), (2.0, 3.0)])
def test_an_array_holds_what_the_file_holds(read, shape):
    class Lies(np.ndarray):
        def __reduce__(self):
            call, arguments, state = np.asarray(self).__reduce__()
            return call, arguments, (state[0], shape, *state[2:])

    lies = pickle.dumps(np.ones((2, 3), np.float32).view(Lies), 2)
    assert "an array of shape" in refusal(read, lies)


def test_every_cut_off_file_is_refused(read):
    for length in range(len(SMALL)):
        assert "damaged" in refusal(read, SMALL[:length])


def test_text_that_is_no_pickle_is_refused(read):
    for text in (b"<!DOCTYPE html><html></html>", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n"):
        assert "not a weights file" in refusal(read, text)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_garbled_file_is_read_or_refused_never_worse(read, data):
    garbled = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        garbled[data.draw(st.integers(0, len(garbled) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(bytes(garbled))
    except UserError as error:
        assert "some.pkl" in str(error)
