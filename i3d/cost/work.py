"""What a video costs: CPU time to decode it and GPU time for its snippets.

Pure arithmetic, without torch or a decoder, for sizing bundles, time limits and prices. `Speeds` are either `assumed`
here for the devices of `devices.py` or measured elsewhere; `source` says which.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from i3d.backbones import backbone
from i3d.cost.devices import Device
from i3d.settings import NumericSettings
from i3d.specs import PRECISIONS

OTHER_CODECS = ""  # the key of `pixel_seconds` for all other codecs

# CPU seconds of the decode stage on one core: per frame whatever its size, and per pixel by the codec's FFmpeg name. An
# AMD EPYC of 2024 (Zen 5) with busy neighbours; a moving test picture with noise, at bit rates that cameras record at
# (0.5 Mbit/s at 320x240, 2.5 at 1280x720). A quiet H.264 recording of 1280x720 took 2.3 ms a frame instead of 3.8.
FRAME_SECONDS = 0.4e-3
PIXEL_SECONDS = {
    "h264": 3.7e-9,
    "hevc": 4.4e-9,
    "vp9": 3.7e-9,
    "mjpeg": 2.9e-9,
    "wmv2": 2.8e-9,
    "mpeg4": 2.1e-9,
    "mpeg2video": 1.9e-9,
    OTHER_CODECS: 4.4e-9,  # the slowest measured
}

# A roofline model: both peaks, of arithmetic and of memory, are assumed to be reached to this share. With i3d_r50 in
# bf16 on half an A100 that is 37 % of its matrix peak. Computed, not measured.
EFFICIENCY = 0.8
COMPUTED = "computed, not measured"
UNKNOWN_DEVICE = "a100_4g.20gb"  # its speed is used, only to size bundles, for a GPU that is in no table
PLAIN_PIXELS, PLAIN_CODEC = 320 * 240, "h264"  # of the video against which others are weighed


@dataclass(frozen=True)
class VideoWork:
    """The work that a video takes. `pixels` are per frame; `codec` is FFmpeg's name, None if unknown."""

    frames: int
    pixels: int
    snippets: int
    codec: str | None = None


@dataclass(frozen=True)
class Speeds:
    """How fast a machine decodes and computes, and the source of these figures."""

    snippets_per_second: float  # of the network, in the plan's precision, sample mode and clip length
    source: str  # "computed, not measured", "from earlier runs ...", "measured on ... at ..."
    frame_seconds: float = FRAME_SECONDS
    pixel_seconds: Mapping[str, float] = field(default_factory=PIXEL_SECONDS.copy)  # by codec, with OTHER_CODECS

    def decode_seconds(self, pixels: int, frames: int, codec: str | None = None) -> float:
        """Return the seconds to decode and resize `frames` frames of `pixels` pixels each, on one core."""
        per_pixel = self.pixel_seconds.get(codec or OTHER_CODECS, self.pixel_seconds[OTHER_CODECS])
        return frames * (self.frame_seconds + pixels * per_pixel)

    def network_seconds(self, snippets: int) -> float:
        """Return the seconds that the network takes for `snippets` snippets."""
        return snippets / self.snippets_per_second

    def bundle_seconds(self, videos: Iterable[VideoWork], decode_threads: int) -> float:
        """Return the seconds for a bundle decoded on `decode_threads` cores and extracted at the same time.

        The slower stage sets the pace. A video is decoded on one thread, so the longest one bounds the decoding.
        """
        videos = list(videos)
        decoding = [self.decode_seconds(video.pixels, video.frames, video.codec) for video in videos]
        network = self.network_seconds(sum(video.snippets for video in videos))
        return max(network, sum(decoding) / decode_threads, max(decoding, default=0.0))


def weigh(video: VideoWork, speeds: Speeds, decode_threads: int) -> int:
    """Return how many frames of plain video take as long as this one, for sizing bundles; at least its own frames."""
    plain = replace(video, pixels=PLAIN_PIXELS, codec=PLAIN_CODEC)
    seconds, plain_seconds = (_seconds_in_a_bundle(each, speeds, decode_threads) for each in (video, plain))
    return max(video.frames, round(video.frames * seconds / plain_seconds)) if plain_seconds else video.frames


def frames_within(seconds: float, frequency: int, speeds: Speeds, decode_threads: int) -> int:
    """Return how many frames of plain video, with a snippet every `frequency`, a bundle's job processes in a time."""
    plain = VideoWork(frequency, PLAIN_PIXELS, 1, PLAIN_CODEC)
    return int(frequency * seconds / _seconds_in_a_bundle(plain, speeds, decode_threads))


def _seconds_in_a_bundle(video: VideoWork, speeds: Speeds, decode_threads: int) -> float:
    decoding = speeds.decode_seconds(video.pixels, video.frames, video.codec) / decode_threads
    return max(decoding, speeds.network_seconds(video.snippets))


def assumed(device: Device, settings: NumericSettings) -> Speeds:
    """Return an upper estimate of a device's speeds for a plan's settings, without any measurement."""
    precision, mode = settings.precision, (settings.sample_mode, settings.clip_length)
    traffic = backbone(settings.model).snippet_gigabytes(*mode, PRECISIONS[precision].bytes, settings.frame_pooling)
    seconds = (snippet_tflop(settings) / device.peak(precision) + traffic / device.bandwidth) / EFFICIENCY
    return Speeds(1 / seconds, COMPUTED)


def snippet_tflop(settings: NumericSettings) -> float:
    """Return the TFLOP of one snippet under these settings."""
    network = backbone(settings.model)
    return network.snippet_tflop(settings.sample_mode, settings.clip_length, settings.frame_pooling)
