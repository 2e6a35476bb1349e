"""Video file to .npy, start-up included: the scripts as the workflow runs them, against the baseline."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from bench.measuring import ROOT, Row, finish, in_turn, row, start
from i3d.digests import video_digest
from i3d.records.bundles import BundleEntry, make_bundle, write_bundle
from i3d.records.work_folder import WorkFolder
from i3d.selfcheck.numerics import why_left_out
from i3d.settings import NumericSettings
from scripts.make_demo_videos import write_clip

SHORT_CLIPS = 20


class Whole:
    """Whole runs of `repeats` rounds on `threads` threads, on a clip of `snippets` snippets."""

    def __init__(self, snippets: int, repeats: int, threads: int) -> None:
        self.snippets = snippets
        self.repeats = repeats
        self.threads = str(threads)

    def rows(self) -> Iterator[Row]:
        """The scripts as the workflow runs them, against the baseline, in turn; then short clips against a long one."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            clip = folder / "long.mp4"
            write_clip(clip, 16 * self.snippets, speed=5)
            baseline = partial(
                run, f"{ROOT}/bench/baseline.py", str(clip), str(folder / "base.npy"), "--threads", self.threads
            )
            runs: dict[str, Callable[[], None]] = {"baseline": baseline}
            cpu = torch.device("cpu")
            precisions = [each for each in ("fp32", "bf16") if not why_left_out(each, cpu)]
            for precision in precisions:
                bundle = bundle_of(folder, [clip], precision)
                runs[f"decode alone ({precision})"] = partial(self.decode_alone, bundle)
                runs[f"extract alone ({precision})"] = partial(self.extract_alone, bundle)
                runs[f"decode and extract through a pipe, {precision}"] = partial(self.piped, bundle)
            seconds = in_turn(runs, self.repeats)
            for label, value in seconds.items():
                ratio = f"{seconds['baseline'] / value:.2f} x baseline"
                if "pipe" in label:
                    precision = label.rsplit(" ", 1)[1]
                    slowest = max(seconds[f"{stage} alone ({precision})"] for stage in ("decode", "extract"))
                    ratio += f", {value / slowest:.2f} of the slowest stage alone"
                yield row(label, value, self.snippets, "snippets", ratio)

            clips = [folder / f"second{number}.mp4" for number in range(SHORT_CLIPS)]
            for path in clips:
                write_clip(path, 32, speed=5)
            write_clip(folder / "as long.mp4", 32 * len(clips), speed=5)
            fastest = precisions[-1]
            many = bundle_of(folder, clips, fastest)
            one = bundle_of(folder, [folder / "as long.mp4"], fastest)
            runs = {
                "one long clip": partial(self.piped, one),
                f"{SHORT_CLIPS} clips of a second": partial(self.piped, many),
            }
            seconds = in_turn(runs, self.repeats)
            for label, value in seconds.items():
                ratio = f"{value / seconds['one long clip']:.2f} x the long clip"
                yield row(f"{label}, {fastest}", value, 2 * SHORT_CLIPS, "snippets", ratio)

    def decode(self, bundle: Path) -> subprocess.Popen:
        """Start decode on a bundle."""
        return start(
            "decode.py",
            "--bundle",
            str(bundle),
            "--output",
            str(bundle.with_suffix(".frames")),
            "--threads",
            self.threads,
        )

    def extract(self, bundle: Path) -> subprocess.Popen:
        """Start extract on a bundle's stream."""
        frames = str(bundle.with_suffix(".frames"))
        return start("extract.py", "--bundle", str(bundle), "--frames", frames, "--threads", self.threads)

    def decode_alone(self, bundle: Path) -> None:
        """Decode into a file, which stays."""
        forget(bundle)
        finish(self.decode(bundle))

    def extract_alone(self, bundle: Path) -> None:
        """Extract from that file."""
        forget(bundle)
        finish(self.extract(bundle))

    def piped(self, bundle: Path) -> None:
        """Both side by side, the stream a named pipe."""
        forget(bundle)
        stream = bundle.with_suffix(".frames")
        stream.unlink(missing_ok=True)
        os.mkfifo(stream)
        for process in [self.decode(bundle), self.extract(bundle)]:
            finish(process)
        stream.unlink()


def forget(bundle: Path) -> None:
    """Undo what an earlier run did of a bundle: both programs leave out what is finished."""
    work = WorkFolder.of_file(bundle)
    for folder in (work.staging, work.journals):
        shutil.rmtree(folder, ignore_errors=True)


def bundle_of(folder: Path, clips: list[Path], precision: str) -> Path:
    """A bundle file for clips, as the plan writes it."""
    videos = [
        BundleEntry(video=clip.name, path=str(clip), feature=f"{clip.stem}.npy", digest=video_digest(clip), frames=1)
        for clip in clips
    ]
    bundle = make_bundle(NumericSettings(precision=precision), videos)
    path = WorkFolder(folder).bundle(bundle.name)
    write_bundle(bundle, path)
    return path


def run(script: str, *arguments: str) -> None:
    """Run one of the scripts to its end."""
    finish(start(script, *arguments))
