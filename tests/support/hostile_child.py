"""A worker that says it is there and then hangs: `python -m hostile_child`."""

import sys

from hostile import hang

from i3d.decoding.workers import Channel

if __name__ == "__main__":
    Channel(sys.argv[1:]).send({"ready": True})
    hang()
