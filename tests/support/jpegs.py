"""What the ffmpeg program makes of a video when it writes it as JPEG files, and clips that are hard to do that with."""

import io
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.clips import ENVIRONMENT, FFMPEG, TONE, X264, ffmpeg, pattern

NAMELESS = ("-flags:v", "+bitexact")


def program_pictures(path: Path, *options: str, output: tuple[str, ...] = ()) -> list[np.ndarray]:
    """The original scripts' frames: `ffmpeg -i x.mp4 -start_number 0 %d.jpg`, read with Pillow; uint8 (h, w, 3).

    `options` are for reading, `output` for writing; NAMELESS leaves the encoder's name out of the files.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [FFMPEG, "-v", "quiet", "-nostdin", *options, "-i", str(path), *output, "-start_number", "0"]
        done = subprocess.run([*command, f"{folder}/%d.jpg"], env=ENVIRONMENT, check=False)
        assert done.returncode >= 0, f"the program crashed on {path}"
        files = [Path(folder, f"{number}.jpg").read_bytes() for number in range(len(list(Path(folder).iterdir())))]
    return [np.asarray(Image.open(io.BytesIO(file)).convert("RGB")) for file in files]


def same(pictures: list[np.ndarray], others: list[np.ndarray]) -> bool:
    """Whether there are as many, and each equal to the bit."""
    return len(pictures) == len(others) and all(map(np.array_equal, pictures, others))


PHONE = "(N*40+17*sin(N*1.7)+9*mod(N*7,5))/1000"  # seconds at which frame N starts
DARK = "(if(lt(N,20),N*33.33,20*33.33+(N-20)*50)+2*mod(N*5,3))/1000"
SCREEN = "(N*16.67+if(gt(mod(N,30),20),100)+if(gt(N,30),900))/1000"
GAP = "(N+if(gt(N,15),250))/25"
BURST = "if(lt(N,10),N/500,N/25)"
HALF = "(N+0.5)/25"


def timed(seconds: str, *options: str, source: list[str] | None = None) -> list[str]:
    """ffmpeg arguments for a clip whose frame N starts at these seconds."""
    timing = ["-vf", f"settb=1/90000,setpts='({seconds})/TB'", "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    return [*(source or pattern(40, rate="30")), *timing, *(options or X264)]


def encoded(*options: str, source: list[str] | None = None) -> list[str]:
    return [*(source or pattern(40, rate="25")), *options]


ODD = ["-f", "lavfi", "-i", "testsrc=s=161x97,trim=end_frame=24"]
SOUND = ("-c:a", "aac")
FFV1 = ("-c:v", "ffv1", "-pix_fmt")

HARD: dict[str, list[str]] = {
    # Timestamps.
    "phone.mp4": timed(PHONE, *X264, "-video_track_timescale", "90000"),
    "phone.mov": timed(PHONE, *X264, "-video_track_timescale", "600"),
    "phone.mkv": timed(PHONE, source=pattern(12, rate="30")),  # written as a thousand pictures a second
    "phone.ts": timed(PHONE, source=pattern(6, rate="30")),  # from 8 on taken for 90,000 pictures a second
    "phone_sound.mp4": timed(PHONE, *X264, *SOUND, source=[*pattern(40, rate="30"), *TONE]),
    "dark.mp4": timed(DARK),
    "dark.mov": timed(DARK, *X264, "-video_track_timescale", "600"),
    "screen.webm": timed(SCREEN, "-c:v", "libvpx", "-deadline", "realtime"),
    "screen.mkv": timed(SCREEN),
    "screen_sound.mkv": timed(SCREEN, *X264, *SOUND, source=[*pattern(40, rate="30"), *TONE]),
    "gap.mp4": timed(GAP),
    "gap.mkv": timed(GAP),
    "burst.mkv": timed(BURST, source=pattern(14, rate="30")),
    "half.mkv": timed(HALF),
    "half_sound.mkv": timed(HALF, *X264, *SOUND, source=[*pattern(40, rate="25"), *TONE]),
    "ntsc.mp4": encoded(*X264, source=pattern(40, rate="30000/1001")),
    "ntsc.mkv": encoded(*X264, source=pattern(40, rate="30000/1001")),  # times in milliseconds
    "film.flv": encoded(*X264, source=pattern(40, rate="24000/1001")),
    "sixty.mp4": encoded(*X264, source=pattern(70, rate="60")),
    "slow.mp4": encoded(*X264, source=pattern(6, rate="1/10")),
    "fast.mkv": encoded(*X264, source=pattern(60, rate="240")),
    "late.mp4": encoded(*X264, *SOUND, source=["-itsoffset", "0.73", *pattern(), *TONE]),
    "late.mkv": encoded(*X264, *SOUND, source=["-itsoffset", "0.73", *pattern(), *TONE]),
    "late.ts": encoded(*X264, *SOUND, source=["-itsoffset", "0.73", *pattern(), *TONE]),
    "late_sound.mp4": encoded(*X264, *SOUND, source=[*pattern(), "-itsoffset", "0.73", *TONE]),
    "wrap.ts": encoded(*X264, "-output_ts_offset", "95442.8"),  # its 33 bits of 90 kHz are used up at 95443.7 s
    "dropped.avi": encoded("-vf", "select='lt(n,8)+gt(n,17)*not(mod(n,3))'", "-fps_mode", "vfr", "-c:v", "mpeg4"),
    "b_frames_h264.avi": encoded(*X264, "-bf", "3", source=pattern(30, rate="30")),  # has no presentation times
    "jitter.avi": timed(PHONE, *X264, source=pattern(12, rate="30")),
    "raw_ntsc.h264": encoded(*X264, source=pattern(30, rate="30000/1001")),
    "raw.m4v": encoded("-c:v", "mpeg4", "-bf", "2", "-f", "m4v"),
    "sound.wmv": encoded("-c:v", "wmv2", "-c:a", "wmav2", source=[*pattern(), *TONE]),
    "sound.mpg": encoded("-c:v", "mpeg2video", "-bf", "2", "-c:a", "mp2", source=[*pattern(24, rate="25"), *TONE]),
    "one.mp4": encoded(*X264, source=pattern(1)),
    "one_sound.mp4": encoded(*X264, *SOUND, source=[*pattern(1), *TONE]),
    # Pictures.
    "noise.mp4": encoded("-vf", "noise=alls=60:allf=t+u", *X264),  # takes the budget to its end
    "wide_pixels.mp4": encoded("-vf", "setsar=16/11", *X264),
    "no_aspect.mkv": encoded("-vf", "setsar=0", *FFV1, "yuv420p"),
    "full_range.mp4": encoded(*X264, "-color_range", "pc"),
    "bt709.mp4": encoded(*X264, "-colorspace", "bt709", "-color_range", "tv"),
    "bt2020.mkv": encoded(*FFV1, "yuv420p10le", "-colorspace", "bt2020nc"),
    "422.mp4": encoded("-c:v", "libx264", "-pix_fmt", "yuv422p"),
    "444.mp4": encoded("-c:v", "libx264", "-pix_fmt", "yuv444p"),
    "411.mkv": encoded(*FFV1, "yuv411p"),
    "440.mkv": encoded(*FFV1, "yuv440p"),
    "ten_bits_422.mov": encoded("-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"),
    "ten_bits_444.mkv": encoded(*FFV1, "yuv444p10le"),
    "deep_grey.mkv": encoded(*FFV1, "gray16le"),
    "rgb.mov": encoded("-c:v", "png", "-pix_fmt", "rgb24"),
    "deep_rgb.mkv": encoded(*FFV1, "gbrp10le"),
    "palette.mov": encoded("-c:v", "png", "-pix_fmt", "pal8"),
    "transparent.mkv": encoded(*FFV1, "yuva420p"),
    "packed.avi": encoded("-c:v", "rawvideo", "-pix_fmt", "yuyv422"),
    "odd_422.mkv": encoded(*FFV1, "yuv422p", source=ODD),
    "odd_444.mkv": encoded(*FFV1, "yuv444p", source=ODD),
    "interlaced.mpg": encoded("-c:v", "mpeg2video", "-flags", "+ilme+ildct"),
    "pulldown.ts": encoded("-vf", "telecine", "-c:v", "mpeg2video", source=pattern(48, rate="24000/1001")),
}


def _copied(*options: str, before: tuple[str, ...] = (), of: str = "ntsc.mp4") -> Callable[[Path], None]:
    def make(path: Path) -> None:
        original = path.with_name(f"of_{path.stem}_{of}")
        ffmpeg(*HARD[of], original)
        ffmpeg(*before, "-i", original, "-c", "copy", *options, path)

    return make


def _joined(*parts: list[str]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        whole = b""
        for number, arguments in enumerate(parts):
            part = path.with_name(f"part_{number}_{path.name}")
            ffmpeg(*arguments, part)
            whole += part.read_bytes()
        path.write_bytes(whole)

    return make


def _at(seconds: float) -> tuple[str, str]:
    """Options for a clip whose clock shows this at its beginning."""
    return "-output_ts_offset", str(seconds)


_MPEG2 = ("-c:v", "mpeg2video")
_HEVC = ("-c:v", "libx265", "-x265-params", "log-level=none")
_FIELDS = ("-flags", "+ilme+ildct")
_NTSC = pattern(40, rate="30000/1001")
_HEARD = [*pattern(40, rate="25"), *TONE]
_LONG_HOLE = "(N+if(gt(N,15),375))/25"
MADE_FROM_OTHERS: dict[str, Callable[[Path], None]] = {
    "negative.mkv": _copied("-output_ts_offset", "-0.7", "-avoid_negative_ts", "disabled", of="late_sound.mp4"),
    "late_alone.mkv": _copied("-output_ts_offset", "0.7"),
    "late_alone.mp4": _copied("-output_ts_offset", "0.7"),
    "trimmed_sound.mp4": _copied(before=("-ss", "0.3"), of="late_sound.mp4"),
    "trimmed.mov": _copied(before=("-ss", "0.9"), of="sixty.mp4"),
    "cut_short.mp4": _copied("-t", "0.6", of="late_sound.mp4"),
    "turned_422.mp4": _copied(before=("-display_rotation", "90"), of="422.mp4"),
    "tilted.mp4": _copied(before=("-display_rotation", "30")),
    "clock_ahead.ts": _joined(encoded(*X264), encoded(*X264, "-output_ts_offset", "500")),
    "clock_back.ts": _joined(encoded(*X264, "-output_ts_offset", "500"), encoded(*X264)),
    "clock_back.mpg": _joined(encoded(*_MPEG2, "-output_ts_offset", "70"), encoded(*_MPEG2)),
    "clock_again.ts": _joined(encoded(*X264), encoded(*X264)),
    "another_size.ts": _joined(encoded(*X264), encoded(*X264, source=pattern(24, size="320x240"))),
    "another_size_later.ts": _joined(encoded(*X264), encoded(*X264, *_at(5), source=pattern(24, size="320x240"))),
    "other_colours_later.ts": _joined(encoded(*X264), encoded(*X264, "-colorspace", "bt709", *_at(5))),
    # Clocks that restart or jump, and holes that are real.
    "jump.ts": _joined(encoded(*X264), encoded(*X264, *_at(60))),
    "jump_without_delay.ts": _joined(encoded(*X264, "-bf", "0"), encoded(*X264, "-bf", "0", *_at(60))),
    "jump_sound.ts": _joined(encoded(*X264, *SOUND, source=_HEARD), encoded(*X264, *SOUND, *_at(60), source=_HEARD)),
    "jump_back_sound.ts": _joined(
        encoded(*X264, *SOUND, *_at(60), source=_HEARD), encoded(*X264, *SOUND, source=_HEARD)
    ),
    "jump.mpg": _joined(encoded(*_MPEG2, "-bf", "2"), encoded(*_MPEG2, "-bf", "2", *_at(60))),
    "jump_hevc.ts": _joined(encoded(*_HEVC), encoded(*_HEVC, *_at(60))),
    "jump_interlaced.ts": _joined(encoded(*_MPEG2, *_FIELDS), encoded(*_MPEG2, *_FIELDS, *_at(60))),
    "jump_ntsc.ts": _joined(encoded(*X264, source=_NTSC), encoded(*X264, *_at(60), source=_NTSC)),
    "jump_to_another_rate.ts": _joined(
        encoded(*X264, source=pattern(rate="10")), encoded(*X264, *_at(60), source=pattern(rate="30"))
    ),
    "jumps.ts": _joined(encoded(*X264), encoded(*X264, *_at(300)), encoded(*X264)),
    "short_hole.ts": _joined(encoded(*X264), encoded(*X264, *_at(6))),
    "longest_hole.ts": _joined(encoded(*X264), encoded(*X264, *_at(11.5))),  # a longer one is a jump
    "shortest_jump.ts": _joined(encoded(*X264), encoded(*X264, *_at(11.8))),
    "long_hole.mp4": lambda path: ffmpeg(*timed(_LONG_HOLE), path),
    "long_hole.mkv": lambda path: ffmpeg(*timed(_LONG_HOLE), path),
    "long_hole.wmv": lambda path: ffmpeg(*timed(_LONG_HOLE, "-c:v", "wmv2"), path),
    "long_hole.ts": lambda path: ffmpeg(*timed(_LONG_HOLE, source=pattern(30, rate="25")), path),
    "step_back.ts": _joined(encoded(*X264, *_at(3)), encoded(*X264)),
    "overlap.ts": _joined(encoded(*X264), encoded(*X264, *_at(0.8))),
    "small_step_back.ts": _joined(encoded(*X264), encoded(*X264, *_at(1.56))),
    "wrap_on_the_way.ts": lambda path: ffmpeg(*encoded(*X264, *_at(95442.5), source=pattern(60, rate="25")), path),
    "wrap_between.ts": _joined(encoded(*X264, *_at(95440)), encoded(*X264)),
    "chained.ogv": _joined(encoded("-c:v", "libtheora"), encoded("-c:v", "libtheora")),
    "joined.h264": _joined(encoded(*X264), encoded(*X264)),
    "joined.flv": _joined(encoded(*X264), encoded(*X264)),
}


class HardClips(dict[str, Path]):
    """The paths of these clips in a folder, by name; each is made when first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Path:
        path = self[name] = self._folder / name
        if name in HARD:
            ffmpeg(*HARD[name], path)
        else:
            MADE_FROM_OTHERS[name](path)
        return path
