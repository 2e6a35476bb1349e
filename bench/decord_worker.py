"""A decode worker that gives decord also what PyAV is known to be faster on: `python -m bench.decord_worker`."""

from i3d.decoding import decoder, decord_reader

if __name__ == "__main__":
    decord_reader.DECORD_MAX_PIXELS = 1920 * 1080
    decoder.main()
