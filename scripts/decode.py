"""Decode a bundle's videos into one frame stream.

    python scripts/decode.py --bundle B.json --output B.frames
    python scripts/decode.py video.mp4 --output video.frames

The output may be a named pipe. A bad video is no error: the stream says how each one ended.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path

from i3d.decoding.constant_rate import OLD_FFMPEG
from i3d.decoding.decoder import Settings, decode_videos
from i3d.errors import UserError, run_main
from i3d.frame_stream import StreamWriter
from i3d.progress.decoding import CountingWriter
from i3d.records.bundles import read_bundle
from i3d.records.journal import finished
from i3d.snippets import ORIGINAL_RULE, SnippetRule


def main() -> None:
    """Command line."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    if arguments.bundle:
        videos, rule = _bundle_videos(arguments)
    else:
        videos, rule = _hand_videos(arguments.videos), SnippetRule(arguments.clip_length, arguments.frequency)
    settings = Settings(
        decoder=arguments.decoder,
        fps=arguments.fps,
        rule=rule,
        via_jpeg=arguments.via_jpeg,
        threads=arguments.threads,
        stall_seconds=arguments.stall_seconds,
        memory_mb=arguments.memory_mb,
    )
    try:
        with arguments.output.open("wb", buffering=0) as file:
            writer = CountingWriter(file, arguments.progress, len(videos)) if arguments.progress else StreamWriter(file)
            decode_videos(videos, writer, settings)
            writer.close()
    except BrokenPipeError:
        raise UserError(f"{arguments.output}: the reader of the frame stream is gone; see its log") from None
    except OSError as error:
        raise UserError(f"{arguments.output}: cannot write frames: {error.strerror}") from None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path, help="videos to decode by hand, instead of a bundle")
    parser.add_argument("--bundle", type=Path, help="bundle file: the list of videos")
    parser.add_argument("--output", type=Path, required=True, help="frame stream to write, a file or a named pipe")
    parser.add_argument("--staging", type=Path, help="staging tree and")
    parser.add_argument(
        "--journal", type=Path, help="journal of the bundle: videos that are finished there are left out"
    )
    parser.add_argument("--progress", type=Path, help="file to keep the progress in, for those who watch the run")
    parser.add_argument("--decoder", choices=["decord", "pyav"], default="decord", help="decoder to try first")
    parser.add_argument("--fps", type=float, help="resample to this constant rate by timestamps")
    parser.add_argument(
        "--via-jpeg", choices=["true", OLD_FFMPEG], default=False, help="through JPEG, as via_jpeg in the configuration"
    )
    parser.add_argument(
        "--clip-length", type=int, default=ORIGINAL_RULE.clip_length, help="frames per snippet, of videos by hand"
    )
    parser.add_argument(
        "--frequency", type=int, default=ORIGINAL_RULE.frequency, help="frames between the starts of two snippets"
    )
    parser.add_argument("--threads", type=int, default=1, help="videos to decode at once (default: 1)")
    parser.add_argument("--stall-seconds", type=float, default=60, help="give a try up after this long without a frame")
    parser.add_argument("--memory-mb", type=int, default=1024, help="memory that one worker may use (default: 1024)")
    arguments = parser.parse_args()
    if bool(arguments.bundle) == bool(arguments.videos):
        parser.error("give either --bundle or videos")
    if arguments.clip_length < 1 or arguments.frequency < 1:
        parser.error("--clip-length and --frequency must be positive")
    if arguments.fps and arguments.via_jpeg:
        parser.error("--fps and --via-jpeg exclude each other")
    if arguments.threads < 1 or (arguments.fps is not None and not 0 < arguments.fps < float("inf")):
        parser.error("--threads and --fps must be positive")
    return arguments


def _hand_videos(paths: list[Path]) -> list[tuple[int, str, Path]]:
    return [(place, _shown(str(path)), path) for place, path in enumerate(paths)]


def _bundle_videos(arguments: argparse.Namespace) -> tuple[list[tuple[int, str, Path]], SnippetRule]:
    """The bundle's videos that are still to do, each with its place in the bundle, and the rule for their snippets."""
    bundle = read_bundle(arguments.bundle)
    done = finished(arguments.journal, arguments.staging, bundle.fingerprint) if arguments.journal else {}
    videos = [
        (place, _shown(entry.video), Path(entry.path))
        for place, entry in enumerate(bundle.videos)
        if entry.video not in done
    ]
    return videos, SnippetRule(bundle.settings["clip_length"], bundle.settings["frequency"])


def _shown(name: str) -> str:
    """A video's name fit for one line of a log."""
    return name if name.isprintable() else ascii(name)


def _stop(number: int, _frame: object) -> None:
    """Unwind, which kills the workers, and end as the signal would have."""
    sys.exit(128 + number)


if __name__ == "__main__":
    run_main(main)
