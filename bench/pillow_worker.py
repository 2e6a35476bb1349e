"""A decode worker that resizes with Pillow, as the workflow did at first: `python -m bench.pillow_worker`."""

from i3d.decoding import decoder, resize

if __name__ == "__main__":
    decoder.resize = resize.pillow  # type: ignore[assignment]
    decoder.main()
