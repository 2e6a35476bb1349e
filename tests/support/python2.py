"""Pickles as Python 2 wrote them, such as the published Caffe2 weights."""

import io
import pickle
from typing import Any, ClassVar


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 did: both as 8-bit strings."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_string(self, value: str | bytes) -> None:
        data = value.encode("latin-1") if isinstance(value, str) else value
        self.write(b"T" + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_string


def python2_pickle(value: Any) -> bytes:
    """`value` as cPickle of Python 2 and NumPy 1 would write it under protocol 2."""
    file = io.BytesIO()
    Python2Pickler(file, 2).dump(value)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")
