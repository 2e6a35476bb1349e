"""A probe worker whose decoder misbehaves on videos named for it: `python -m hostile_probe`."""

from hostile import misbehaving

from i3d.decoding import readers
from i3d.planning import probe

if __name__ == "__main__":
    readers.Video.decode = misbehaving(readers.Video.decode, "pyav", lambda video: video.path)
    probe.main()
