"""Clips of six frames for every way in which a video's colours may be stored, and some that change on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.clips import HALF_TURN, QUARTER_TURN, Kind, ffmpeg, pattern, turn_track

FRAMES = 6
MATRICES = ["bt709", "bt470bg", "smpte170m", "bt2020nc", "fcc", "smpte240m"]
# What ffmpeg 7 refuses, by the matrix that ffmpeg 5 takes instead.
REFUSED_MATRICES = {"bt2020c": "bt2020nc", "ycgco": "unknown", "smpte2085": "unknown", "ictcp": "unknown"}
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-bf", "0")
X265 = ("-c:v", "libx265", "-x265-params", "log-level=error")
FFV1 = ("-c:v", "ffv1")


@dataclass(frozen=True)
class Colours(Kind):
    """A kind of clip; `matrix` is for ffmpeg 7 to use where it refuses the one that the file names."""

    matrix: str | None = None


def _stored(
    pixels: str,
    *options: str,
    matrix: str | None = None,
    full: bool | None = None,
    size: str = "160x96",
    crop: str = "",
) -> Callable[[Path], None]:
    """A clip with these pixels and tags; the picture is whatever comes out, since only the reading is at stake."""
    tags = [f"colorspace={matrix}"] if matrix else []
    tags += [f"range={'full' if full else 'limited'}"] if full is not None else []
    steps = [
        *([f"crop={crop}"] if crop else []),
        f"format={pixels}",
        *(["setparams=" + ":".join(tags)] if tags else []),
    ]
    return lambda path: ffmpeg(*pattern(FRAMES, size), "-vf", ",".join(steps), *options, "-pix_fmt", pixels, path)


def _changing(*parts: Callable[[Path], None]) -> Callable[[Path], None]:
    """H.264 streams one after another in one track, the first once more at the end."""

    def make(path: Path) -> None:
        streams = []
        for number, part in enumerate([*parts, parts[0]]):
            stream = path.with_name(f"{path.stem}_{number}.h264")
            part(stream)
            streams.append(stream.read_bytes())
        joined = path.with_name(f"{path.stem}.h264")
        joined.write_bytes(b"".join(streams))
        ffmpeg("-f", "h264", "-r", "24", "-i", joined, "-c", "copy", path)

    return make


def _turned(make: Callable[[Path], None], matrix: tuple[int, int, int, int]) -> Callable[[Path], None]:
    def make_turned(path: Path) -> None:
        make(path)
        turn_track(path, matrix)

    return make_turned


def _kinds() -> dict[str, Colours]:
    kinds = {}
    for matrix in (None, *MATRICES):
        for full in (None, False, True):
            kinds[f"420_{matrix}_{full}.mp4"] = Colours(_stored("yuv420p", *H264, matrix=matrix, full=full))
    for matrix, instead in REFUSED_MATRICES.items():
        kinds[f"420_{matrix}.mp4"] = Colours(_stored("yuv420p", *H264, matrix=matrix), matrix=instead)
    for matrix in (None, "bt709", "bt2020nc"):
        kinds[f"gray_{matrix}.mkv"] = Colours(_stored("gray", *FFV1, matrix=matrix))
        kinds[f"monochrome.{matrix}.mp4"] = Colours(_stored("gray", *H264, matrix=matrix))
        for pixels in ("yuv422p", "yuv444p"):
            kinds[f"{pixels}_{matrix}.mp4"] = Colours(_stored(pixels, *H264, matrix=matrix))
        for pixels in ("yuv420p10le", "yuv422p10le", "yuv444p10le"):
            kinds[f"{pixels}_{matrix}.mp4"] = Colours(_stored(pixels, *H264, matrix=matrix), not_decord=pixels)
        for pixels in ("yuv420p12le", "yuv422p12le"):
            kinds[f"{pixels}_{matrix}.mp4"] = Colours(_stored(pixels, *X265, matrix=matrix), not_decord=pixels)
    for pixels in (
        "yuv410p",
        "yuv411p",
        "yuv440p",
        "yuva420p",
        "yuva444p",
        "yuv420p16le",
        "ya8",
        "gray10le",
        "gray16le",
    ):
        for matrix in (None, "bt709"):
            kinds[f"{pixels}_{matrix}.mkv"] = Colours(_stored(pixels, *FFV1, matrix=matrix), not_decord=pixels)
    for pixels in ("bgr0", "bgra", "gbrp10le", "rgb48le"):
        kinds[f"{pixels}.mkv"] = Colours(_stored(pixels, *FFV1), not_decord="otherwise than ffmpeg")
    for full in (False, True):
        kinds[f"deep_{full}.mp4"] = Colours(
            _stored("yuv420p10le", *H264, matrix="bt2020nc", full=full), not_decord="yuv420p10le"
        )
    any_picture = "may change"
    kinds |= {
        "rgb.mp4": Colours(_stored("bgr0", "-c:v", "libx264rgb"), not_decord="gbrp"),
        "vp9.webm": Colours(_stored("yuv420p", "-c:v", "vp9", "-speed", "8", matrix="bt709"), not_decord=any_picture),
        "vp9_alpha.webm": Colours(_stored("yuva420p", "-c:v", "vp9", "-speed", "8"), not_decord=any_picture),
        "av1.mp4": Colours(
            _stored("yuv420p", "-c:v", "libaom-av1", "-cpu-used", "8", matrix="bt709"), not_decord="av1"
        ),
        "mpeg2.mkv": Colours(_stored("yuv420p", "-c:v", "mpeg2video", matrix="bt709")),
        "mpeg4.avi": Colours(_stored("yuv420p", "-c:v", "mpeg4")),
        "palette.mov": Colours(_stored("pal8", "-c:v", "png"), not_decord="pal8"),
        "svq1.mov": Colours(_stored("yuv410p", "-c:v", "svq1"), not_decord="yuv410p"),
        "cinepak.avi": Colours(_stored("rgb24", "-c:v", "cinepak"), not_decord="rgb24"),
        "jpeg.avi": Colours(_stored("yuvj420p", "-c:v", "mjpeg"), not_decord=any_picture),
        "jpeg_422.avi": Colours(_stored("yuvj422p", "-c:v", "mjpeg"), not_decord=any_picture),
        "prores.mov": Colours(_stored("yuv422p10le", "-c:v", "prores_ks", matrix="bt709"), not_decord=any_picture),
        "dnxhr.mov": Colours(
            _stored("yuv422p", "-c:v", "dnxhd", "-profile:v", "dnxhr_sq", size="256x120"), (256, 120), any_picture
        ),
        "raw_uyvy.mov": Colours(_stored("uyvy422", "-c:v", "rawvideo"), not_decord=any_picture),
        "raw_nv12.avi": Colours(_stored("nv12", "-c:v", "rawvideo"), not_decord=any_picture),
        "png_alpha.mov": Colours(_stored("rgba", "-c:v", "png"), not_decord="otherwise than ffmpeg"),
        "odd.mkv": Colours(_stored("yuv420p", *FFV1, matrix="bt709", crop="159:95:exact=1"), (159, 95), "odd height"),
        "odd_width.mkv": Colours(_stored("yuv420p", *FFV1, matrix="bt709", crop="159:96:exact=1"), (159, 96)),
    }
    plain, hd = _stored("yuv420p", *H264, matrix="smpte170m"), _stored("yuv420p", *H264, matrix="bt709")
    full = _stored("yuv420p", *H264, matrix="bt470bg", full=True)
    deep, small = (
        _stored("yuv420p10le", *H264, matrix="smpte170m"),
        _stored("yuv420p", *H264, matrix="bt709", size="96x64"),
    )
    sharp = _stored("yuv444p", *H264, matrix="bt2020nc")
    for suffix in (".mkv", ".mp4", ".avi"):
        kinds |= {
            f"matrix_changes{suffix}": Colours(_changing(plain, hd)),
            f"range_changes{suffix}": Colours(_changing(hd, full)),
            f"chroma_changes{suffix}": Colours(_changing(plain, sharp)),
            f"depth_changes{suffix}": Colours(_changing(plain, deep), not_decord="yuv420p10le"),
            f"size_changes{suffix}": Colours(_changing(plain, small), not_decord="size"),
            f"size_grows{suffix}": Colours(_changing(small, plain), (96, 64), not_decord="size"),
        }
    for pixels in ("yuv420p", "yuv422p", "yuv420p10le"):
        make = _stored(pixels, *H264, matrix="bt709")
        kinds[f"turned_{pixels}.mp4"] = Colours(_turned(make, QUARTER_TURN), (96, 160), "")
        kinds[f"half_turned_{pixels}.mp4"] = Colours(_turned(make, HALF_TURN), not_decord="")
    return kinds


COLOUR_KINDS = _kinds()
