"""Decode a bundle's videos into one frame stream.

    python scripts/decode.py --bundle B.json --output B.frames
    python scripts/decode.py video.mp4 --output video.frames

The output may be a named pipe. A bad video is no error: the stream says how each one ended. A bundle file in its work
folder says all else: the settings, which of its videos are finished already, and where the progress is kept.
"""

import argparse
import logging
import signal
import sys
from pathlib import Path

from i3d.command_line import add_settings, given_settings
from i3d.config import complete
from i3d.decoding.decoder import decode_videos
from i3d.errors import UserError, run_main
from i3d.frame_stream import StreamWriter
from i3d.progress.bundle import DECODE
from i3d.progress.decoding import CountingWriter
from i3d.records.bundles import Bundle, read_bundle
from i3d.records.journal import finished
from i3d.records.work_folder import WorkFolder
from i3d.settings import RANDOM

BY_HAND = (
    *("fps", "via_jpeg", "clip_length", "frequency", "model", "frame_pooling"),
    *("decoder", "stall_seconds", "decode_memory_mb"),
)


def main() -> None:
    """Command line."""
    arguments = _parse()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        with arguments.output.open("wb", buffering=0) as file:
            if arguments.bundle:
                bundle, work = read_bundle(arguments.bundle), WorkFolder.of_file(arguments.bundle)
                videos, settings, job = _videos_to_do(bundle, work), bundle.settings, bundle.job
                writer: StreamWriter = CountingWriter(file, work.progress_of(DECODE, bundle.name), len(videos))
            else:
                given = complete(given_settings(arguments, BY_HAND))
                videos = [(place, _shown(str(path)), path) for place, path in enumerate(arguments.videos)]
                settings, job = given.numeric(RANDOM), given.for_jobs()
                writer = StreamWriter(file)
            decode_videos(videos, writer, settings, job, threads=arguments.threads)
            writer.close()
    except BrokenPipeError:
        raise UserError(f"{arguments.output}: the reader of the frame stream is gone; see its log") from None
    except OSError as error:
        raise UserError(f"{arguments.output}: cannot write frames: {error.strerror}") from None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path, help="videos to decode by hand, instead of a bundle")
    parser.add_argument("--bundle", type=Path, help="bundle file: the videos and the settings")
    parser.add_argument("--output", type=Path, required=True, help="frame stream to write, a file or a named pipe")
    parser.add_argument("--threads", type=int, default=1, help="videos to decode at once (default: 1)")
    add_settings(parser.add_argument_group("settings of videos by hand, as in the configuration"), BY_HAND)
    arguments = parser.parse_args()
    if bool(arguments.bundle) == bool(arguments.videos):
        parser.error("give either --bundle or videos")
    if arguments.bundle and (given := given_settings(arguments, BY_HAND)):
        parser.error(f"{', '.join(given)}: the bundle file says it")
    for video in arguments.videos:
        if arguments.output.exists() and video.exists() and arguments.output.samefile(video):
            raise UserError(f"{arguments.output}: is one of the videos, and stays as it is; name another --output")
    if arguments.threads < 1:
        parser.error("--threads must be positive")
    return arguments


def _videos_to_do(bundle: Bundle, work: WorkFolder) -> list[tuple[int, str, Path]]:
    """The bundle's videos that are still to do, each with its place in the bundle and its name for the log."""
    done = finished(work.journal(bundle.name), work.staging, bundle.fingerprint)
    return [
        (place, _shown(entry.video), Path(entry.path))
        for place, entry in enumerate(bundle.videos)
        if entry.video not in done
    ]


def _shown(name: str) -> str:
    """A video's name fit for one line of a log."""
    return name if name.isprintable() else ascii(name)


def _stop(number: int, _frame: object) -> None:
    """Unwind, which kills the workers, and end as the signal would have."""
    sys.exit(128 + number)


if __name__ == "__main__":
    run_main(main)
