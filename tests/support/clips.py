"""Small clips of many kinds, made with the ffmpeg program, and what that program decodes from them."""

import os
import shutil
import struct
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()  # the wheel's own program; IMAGEIO_FFMPEG_EXE names another
# The wheel's program is linked statically, and crashes in the system's character conversion, which TS files ask for.
ENVIRONMENT = os.environ | {"GCONV_PATH": "/nonexistent"}
FFMPEG_MAJOR = int(imageio_ffmpeg.get_ffmpeg_version().split(".")[0])


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly; one thread, so that damaged files come out alike every time."""
    command = [FFMPEG, "-v", "error", "-nostdin", "-y", "-threads", "1", *map(str, arguments)]
    subprocess.run(command, check=True)


def pattern(frames: int = 24, size: str = "160x96", rate: str = "24") -> list[str]:
    """ffmpeg arguments for a moving test picture as input."""
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate},trim=end_frame={frames}"]


def h264_clip(path: Path, frames: int = 24, size: str = "160x96", rate: str = "24") -> Path:
    """The plain case: an H.264 video whose container goes by the path's suffix."""
    ffmpeg(*pattern(frames, size, rate), "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", path)
    return path


def true_frames(path: Path, width: int, height: int, fps: str | None = None, matrix: str | None = None) -> np.ndarray:
    """What ffmpeg decodes, every frame once or resampled to `fps`: uint8 (frames, height, width, 3).

    `matrix` is the name of a YUV matrix to use whatever the file says.
    """
    filters = [f"fps={fps}"] if fps else []
    filters += [f"setparams=colorspace={matrix}"] if matrix else []
    command = [FFMPEG, "-v", "quiet", "-nostdin", "-threads", "1", "-i", str(path)]
    command += ["-vf", ",".join(filters)] if filters else []
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    result = subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=False)
    if result.returncode < 0:  # a file that it finds fault with gives 1 or more
        raise subprocess.CalledProcessError(result.returncode, command)
    return np.frombuffer(result.stdout, np.uint8).reshape(-1, height, width, 3)


def without_service_names(stream: bytes) -> bytes:
    """A transport stream whose service descriptions (packets of PID 17) are made null packets.

    The ffmpeg of imageio-ffmpeg 0.6.0 (7.0.2, linked statically) crashes while it converts the names in them.
    """
    packets = bytearray(stream)
    for start in range(0, len(packets) - 2, 188):
        if (packets[start + 1] & 0x1F, packets[start + 2]) == (0, 17):
            packets[start + 1] |= 0x1F
            packets[start + 2] = 0xFF
    return bytes(packets)


ONE = 1 << 16
QUARTER_TURN = (0, ONE, -ONE, 0)
HALF_TURN = (-ONE, 0, 0, -ONE)


def turn_track(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix (a, b, c, d), in 1/65536, into an MP4's only track header (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    a, b, c, d = matrix
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


@dataclass(frozen=True)
class Kind:
    """How to make a kind of clip, its displayed size, and why decord is not used on it (None: it is)."""

    make: Callable[[Path], None]
    size: tuple[int, int] = (160, 96)
    not_decord: str | None = None


def _encoded(*options: str, source: list[str] | None = None) -> Callable[[Path], None]:
    return lambda path: ffmpeg(*(source or pattern()), *options, path)


def _remuxed(*options: str, before: tuple[str, ...] = ()) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        original = h264_clip(path.with_name(f"original_{path.stem}.mp4"))
        ffmpeg(*before, "-i", original, "-c", "copy", *options, path)

    return make


def _turned(matrix: tuple[int, int, int, int]) -> Callable[[Path], None]:
    return lambda path: turn_track(h264_clip(path), matrix)


def _cut(suffix_source: str, share: float, *options: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        whole = path.with_name(f"whole_{path.stem}{suffix_source}")
        ffmpeg(*pattern(), *options, whole)
        data = whole.read_bytes()
        path.write_bytes(data[: int(len(data) * share)])

    return make


X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
TONE = ["-f", "lavfi", "-i", "sine=d=1"]
SMALL = pattern(size="96x64")
ODD = ["-f", "lavfi", "-i", "testsrc=s=161x97,trim=end_frame=24"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=s=80x80,trim=end_frame=1"]

KINDS: dict[str, Kind] = {
    "plain.mp4": Kind(_encoded(*X264)),
    "upper.MP4": Kind(_encoded(*X264)),
    "plain.mkv": Kind(_encoded(*X264)),
    "sound.flv": Kind(_encoded(*X264, "-c:a", "aac", source=[*pattern(), *TONE])),
    "late_picture.mp4": Kind(_encoded(*X264, "-c:a", "aac", source=["-itsoffset", "0.5", *pattern(), *TONE])),
    "windows.wmv": Kind(_encoded("-c:v", "wmv2")),
    "b_frames.avi": Kind(_encoded("-c:v", "mpeg4", "-bf", "2")),
    "motion_jpeg.avi": Kind(_encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"), not_decord="mjpeg may change"),
    "alternate_reference.webm": Kind(_encoded("-c:v", "vp8", "-auto-alt-ref", "1", "-lag-in-frames", "16")),
    "vp9.webm": Kind(_encoded("-c:v", "vp9", "-speed", "8"), not_decord="vp9 may change"),
    "timecode.mov": Kind(_encoded(*X264, "-timecode", "01:00:00:00")),
    "interlaced.mp4": Kind(_encoded(*X264, "-flags", "+ilme+ildct", "-x264opts", "tff=1")),
    "grey.mp4": Kind(_encoded("-c:v", "libx264", "-pix_fmt", "gray")),
    "odd_size.mkv": Kind(_encoded("-c:v", "ffv1", "-pix_fmt", "yuv420p", source=ODD), (161, 97), "odd height"),
    "odd_width.mkv": Kind(_encoded("-vf", "crop=161:96", "-c:v", "ffv1", "-pix_fmt", "yuv420p", source=ODD), (161, 96)),
    "quarter_turn.mp4": Kind(_turned(QUARTER_TURN), (96, 160), "turn"),
    "half_turn.mp4": Kind(_turned(HALF_TURN), not_decord="turn"),
    "cover.mp4": Kind(
        _encoded(
            *("-map", "0", "-map", "1", "-c:v:0", "libx264", "-pix_fmt:v:0", "yuv420p", "-c:v:1", "png"),
            *("-disposition:v:1", "attached_pic"),
            source=[*pattern(), *PICTURE],
        )
    ),
    "dropped.mp4": Kind(_encoded(*X264, "-vf", "select='lt(n,8)+gt(n,17)*not(mod(n,3))'", "-fps_mode", "vfr")),
    "fragments.mp4": Kind(_encoded(*X264, "-movflags", "frag_keyframe+empty_moov")),
    "mirrored.mp4": Kind(_turned((-ONE, 0, 0, ONE)), not_decord="turn"),
    "upside_down.mp4": Kind(_turned((ONE, 0, 0, -ONE)), not_decord="turn"),
    "trimmed.mp4": Kind(_remuxed(before=("-ss", "0.5")), not_decord="edit list"),
    "transport.ts": Kind(_encoded(*X264), not_decord="mpegts"),
    "program.mpg": Kind(_encoded("-c:v", "mpeg2video"), not_decord="mpeg"),
    "theora.ogv": Kind(_encoded("-c:v", "libtheora"), not_decord="ogg"),
    "palette.gif": Kind(_encoded(), not_decord="gif"),
    "gif_named.mp4": Kind(_encoded("-f", "gif"), not_decord="gif"),
    "raw.h264": Kind(_encoded(*X264), not_decord="h264"),
    "live.mkv": Kind(_encoded(*X264, "-live", "1"), not_decord="duration"),
    "av1.mp4": Kind(_encoded("-c:v", "libaom-av1", "-cpu-used", "8", "-pix_fmt", "yuv420p"), not_decord="av1"),
    "ten_bits.mp4": Kind(_encoded("-c:v", "libx264", "-pix_fmt", "yuv420p10le"), not_decord="yuv420p10le"),
    "tiny.mp4": Kind(_encoded(*X264, source=pattern(size="2x2")), (2, 2), "2 wide"),
    "one_pixel.mov": Kind(
        _encoded("-vf", "format=rgb24,crop=1:1", "-c:v", "png", source=pattern(size="2x2")), (1, 1), "1 wide"
    ),
    "large_first.mp4": Kind(
        _encoded("-map", "0", "-map", "1", *X264, source=[*pattern(), *SMALL]), not_decord="video streams"
    ),
    "large_second.mkv": Kind(
        _encoded(
            *("-map", "0", "-map", "1", *X264, "-disposition:v:0", "0", "-disposition:v:1", "0"),
            source=[*SMALL, *pattern()],
        ),
        not_decord="video streams",
    ),
    **{
        name: Kind(
            _encoded(
                *("-map", "0", "-map", "1", *X264, "-filter:v:0", "trim=start_frame=99"),
                source=[*pattern(size="320x240"), *pattern()],
            ),
            not_decord="video streams",
        )
        for name in ("empty_first.mkv", "empty_first.avi")
    },
    "cut_index_first.mp4": Kind(_cut(".mp4", 0.6, *X264, "-movflags", "faststart"), not_decord="decord: "),
    "cut.ts": Kind(_cut(".ts", 0.6, *X264, "-bsf:v", "filter_units=remove_types=6"), not_decord="mpegts"),
}


class Clips(dict[str, Path]):
    """The paths of clips in a folder, by the names of their kinds; each is made when first asked for."""

    def __init__(self, folder: Path, kinds: Mapping[str, Kind] = KINDS) -> None:
        super().__init__()
        self._folder = folder
        self._kinds = kinds

    def __missing__(self, name: str) -> Path:
        path = self._folder / name
        self._kinds[name].make(path)
        self[name] = path
        return path


def make_undecodable(folder: Path, plain: Path) -> dict[str, Path]:
    """Files that hold no video, by the words that the reason for it must contain; `plain` is a sound MP4."""
    data = plain.read_bytes()
    contents = {
        "empty file": b"",
        "FFmpeg knows": b"These are words.\n" * 300,
        "moov atom missing": data[: data.index(b"moov") - 4],  # as ffmpeg writes it, the index comes last
        "concat": b"ffconcat version 1.0\nfile 'plain.mp4'\n",
    }
    paths = {}
    for number, (words, content) in enumerate(contents.items()):
        paths[words] = folder / f"undecodable_{number}.mp4"
        paths[words].write_bytes(content)
    shutil.copy(plain, folder / "plain.mp4")
    paths["no video stream"] = folder / "sound_only.mp4"
    ffmpeg(*TONE, "-c:a", "aac", paths["no video stream"])
    paths["only a cover picture"] = folder / "cover_only.m4a"
    ffmpeg(
        *(*TONE, *PICTURE, "-map", "0", "-map", "1", "-c:a", "aac", "-c:v", "png"),
        *("-disposition:v:0", "attached_pic", paths["only a cover picture"]),
    )
    paths["a directory"] = folder / "directory.mp4"
    paths["a directory"].mkdir()
    return paths
