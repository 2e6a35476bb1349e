"""A decode worker on a machine without llvmlite: `python -m without_llvm`."""

import sys

from i3d.decoding import decoder

if __name__ == "__main__":
    sys.modules["llvmlite.binding"] = None  # importing it fails
    decoder.main()
