"""What a video costs: CPU time to decode it and GPU time for its snippets.

Pure arithmetic, without torch or a decoder, so that planning can size bundles, time limits and prices by it. Figures
are either `assumed` here or measured elsewhere and put into the same `Speeds`; `source` says which.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from i3d.settings import NumericSettings
from i3d.specs import MODELS, SAMPLE_MODES

OTHER_CODECS = ""  # the key of `pixel_seconds` for codecs that it does not name

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
    OTHER_CODECS: 4.4e-9,  # the slowest that was measured
}


@dataclass(frozen=True)
class Slice:
    """A GPU as a cluster lends it."""

    multiprocessors: int
    bandwidth: float  # GB/s
    rgu: float  # reference GPU units, by which the Alliance charges


# NVIDIA A100 Tensor Core GPU Architecture (whitepaper) and its MIG profiles: an eighth of the memory per unit. RGU: the
# Alliance's documentation, "Allocations and compute scheduling".
A100_BANDWIDTH = 1555.0
SLICES = {
    "a100_1g.5gb": Slice(14, A100_BANDWIDTH / 8, 0.57),
    "a100_2g.10gb": Slice(28, A100_BANDWIDTH / 4, 1.14),
    "a100_3g.20gb": Slice(42, A100_BANDWIDTH / 2, 2.0),
    "a100_4g.20gb": Slice(56, A100_BANDWIDTH / 2, 2.3),
    "a100": Slice(108, A100_BANDWIDTH, 4.0),
}
CPUS_PER_RGU, MEMORY_GB_PER_RGU = 3, 31  # Narval's; what a job holds beyond that is charged instead


@dataclass(frozen=True)
class Arithmetic:
    """What a precision costs on an A100."""

    peak: float  # TFLOP/s of all 108 multiprocessors, dense, NVIDIA's
    efficiency: float  # part of the peak that convolutions reach
    traffic: float  # GB that one crop of 16 frames moves through memory


# A roofline over every operation of the network: convolutions at `efficiency` of the peak, all operations' inputs and
# outputs at BANDWIDTH_EFFICIENCY of the bandwidth. Together bf16 reaches 17 % of its peak on half an A100, close to the
# 19 % that NVIDIA publishes for training ResNet-50 in mixed precision there; fp32 reaches 51 %.
PRECISIONS = {
    "fp32": Arithmetic(19.5, 0.65, 0.77),
    "tf32": Arithmetic(156.0, 0.5, 0.77),
    "bf16": Arithmetic(312.0, 0.5, 0.40),
    "fp16": Arithmetic(312.0, 0.5, 0.40),
}
BANDWIDTH_EFFICIENCY = 0.8


@dataclass(frozen=True)
class VideoWork:
    """What one video asks for. `pixels` are those of a frame; `codec` is FFmpeg's name, None where unknown."""

    frames: int
    pixels: int
    snippets: int
    codec: str | None = None


@dataclass(frozen=True)
class Speeds:
    """How fast a machine decodes and computes, and where that is known from."""

    snippets_per_second: float  # of the network, in the plan's precision, sample mode and clip length
    source: str  # "assumed", "earlier runs", "measured on ... at ..."
    frame_seconds: float = FRAME_SECONDS
    pixel_seconds: Mapping[str, float] = field(default_factory=PIXEL_SECONDS.copy)  # by codec, with OTHER_CODECS

    def decode_seconds(self, pixels: int, frames: int, codec: str | None = None) -> float:
        """CPU seconds, on one core, that decoding and resizing `frames` frames of `pixels` pixels each takes."""
        per_pixel = self.pixel_seconds.get(codec or OTHER_CODECS, self.pixel_seconds[OTHER_CODECS])
        return frames * (self.frame_seconds + pixels * per_pixel)

    def network_seconds(self, snippets: int) -> float:
        """Seconds that the network takes for `snippets` snippets."""
        return snippets / self.snippets_per_second

    def bundle_seconds(self, videos: Iterable[VideoWork], decode_threads: int) -> float:
        """Seconds for a bundle that is decoded on `decode_threads` cores and extracted at the same time.

        The slower stage sets the pace. Frames of one video are decoded one after the other, so that the longest video
        bounds the decoding, however many threads there are.
        """
        videos = list(videos)
        decoding = [self.decode_seconds(video.pixels, video.frames, video.codec) for video in videos]
        network = self.network_seconds(sum(video.snippets for video in videos))
        return max(network, sum(decoding) / decode_threads, max(decoding, default=0.0))


PLAIN_PIXELS, PLAIN_CODEC = 320 * 240, "h264"  # of the video that others are weighed by


def weigh(video: VideoWork, speeds: Speeds, decode_threads: int) -> int:
    """How many frames of plain video take as long as this one; never fewer than it has.

    It sizes bundles and time limits, so that frames of every size fill them alike.
    """
    plain = replace(video, pixels=PLAIN_PIXELS, codec=PLAIN_CODEC)
    seconds, plain_seconds = (_seconds_in_a_bundle(each, speeds, decode_threads) for each in (video, plain))
    return max(video.frames, round(video.frames * seconds / plain_seconds)) if plain_seconds else video.frames


def _seconds_in_a_bundle(video: VideoWork, speeds: Speeds, decode_threads: int) -> float:
    decoding = speeds.decode_seconds(video.pixels, video.frames, video.codec) / decode_threads
    return max(decoding, speeds.network_seconds(video.snippets))


def assumed(slice_name: str, settings: NumericSettings) -> Speeds:
    """The speeds to expect of a slice in SLICES before anything was measured; `settings` are those of the plan.

    They are upper estimates of the network's.
    """
    gpu, arithmetic = SLICES[slice_name], PRECISIONS[settings.precision]
    mode, clip_length = settings.sample_mode, settings.clip_length
    tflop = MODELS[settings.model].snippet_tflop(mode, clip_length)
    traffic = arithmetic.traffic * SAMPLE_MODES[mode].crops * clip_length / 16
    share = gpu.multiprocessors / SLICES["a100"].multiprocessors
    computing = tflop / (arithmetic.efficiency * arithmetic.peak * share)
    moving = traffic / (BANDWIDTH_EFFICIENCY * gpu.bandwidth)
    return Speeds(1 / (computing + moving), "assumed")


def charged_rgu(slice_name: str, cpus: int, memory_gb: float) -> float:
    """Reference GPU units that a job on Narval is charged for while it runs: the largest of its three shares."""
    return max(SLICES[slice_name].rgu, cpus / CPUS_PER_RGU, memory_gb / MEMORY_GB_PER_RGU)
