"""Decoding without worker processes: what a worker would send, kept."""

from i3d.decoding.decoder import VideoDecoder
from i3d.snippets import ORIGINAL_RULE


class Recorder:
    """Stands in for a worker's channel and outlet: keeps what is sent and the frames at their full size."""

    threads = 1
    blocked_seconds = 0.0

    def __init__(self, memory_mb=1024):
        self.memory_mb = memory_mb
        self.begin = None
        self.frames = []

    def progress(self):
        pass

    def flush(self):
        pass

    def send(self, message):
        if "begin" in message:
            self.begin, self.frames = message["begin"], []

    def put(self, frame):
        self.frames.append(frame)


def decode(path, decoder="decord", fps=None, memory_mb=1024, rule=ORIGINAL_RULE, via_jpeg=False, links=None):
    """The recorder and the END message's result of decoding one video."""
    recorder = Recorder(memory_mb)
    job = {"path": str(path), "decoder": decoder, "reason": None, "fps": fps, "via_jpeg": via_jpeg}
    job |= {"clip_length": rule.clip_length, "frequency": rule.frequency}
    job["frame_pooling"] = "middle" if rule.middle_only else "mean"
    job["links"] = links and str(links)
    return recorder, VideoDecoder(recorder, recorder, job).run()
