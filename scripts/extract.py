"""Extract features from a frame stream.

In the workflow it takes a bundle's stream to staged features and a journal of what became of each video; the bundle
file, in its work folder, says with which settings. By hand:

    python scripts/decode.py video.mp4 --output video.frames
    python scripts/extract.py --frames video.frames --weights random --feature video.npy
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch

from i3d.backbones import backbone
from i3d.command_line import add_settings, given_settings
from i3d.config import complete
from i3d.cost.calibration import passed_precisions, refuse_failed
from i3d.errors import UserError, run_main_and_leave
from i3d.frame_stream import StreamError, read_stream
from i3d.network.engine import Engine, choose_device, recorded_name
from i3d.network.extraction import Extraction
from i3d.network.gpu_guard import check_precision, gpu_versions
from i3d.network.weights import load_state_dict
from i3d.planning.weights_check import weights_digest
from i3d.progress.bundle import EXTRACT, BundleProgress, ProgressFile
from i3d.progress.counter import Counter
from i3d.records.bundles import Bundle, BundleEntry, read_bundle
from i3d.records.journal import finished
from i3d.records.record import OK, VideoRecord
from i3d.records.work_folder import WorkFolder
from i3d.selfcheck.facts import installed_versions, job_key
from i3d.selfcheck.numerics import why_left_out
from i3d.settings import RANDOM, NumericSettings

BY_HAND = (
    *(name for name in NumericSettings.__struct_fields__ if name != "weights_sha256"),
    *("weights", "device", "batch_size", "calibration"),
)
PACKAGES = ("torch", "numpy", "pillow", "decord", "av")  # whose versions the tables record

log = logging.getLogger("extract")


def main() -> None:
    args = parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    bundle, job = prepare(args)
    try:
        stream = args.frames.open("rb", buffering=0)
    except OSError as error:
        raise UserError(
            f"{args.frames}: cannot read the frames ({error.strerror}); scripts/decode.py writes them"
        ) from None
    done = job.done
    try:
        with stream:
            for record in extract(bundle, job, stream):
                done.add(record.video)
                report(record)
    except StreamError as error:
        again = "the videos before are staged, run snakemake again for the rest" if args.bundle else "decode anew"
        raise UserError(f"{args.frames}: {error}; {again}") from None
    if missing := [entry.video for entry in bundle.videos if entry.video not in done]:
        raise UserError(f"{args.frames}: the stream ended without {', '.join(missing)}; it is not this bundle's")


class Job:
    """Where one call puts its results; `done` are the videos that an earlier attempt at the bundle finished."""

    def __init__(self, staging: Path, journal: Path | None, progress: ProgressFile | None, done: set[str]) -> None:
        self.staging, self.journal, self.progress, self.done = staging, journal, progress, done


def prepare(args: argparse.Namespace) -> tuple[Bundle, Job]:
    """Return what to extract and where to: a bundle, or the single video given by hand."""
    if args.bundle:
        bundle, work = read_bundle(args.bundle), WorkFolder.of_file(args.bundle)
        journal = work.journal(bundle.name)
        done = set(finished(journal, work.staging, bundle.fingerprint))
        return bundle, Job(work.staging, journal, ProgressFile(work.progress_of(EXTRACT, bundle.name)), done)
    settings = complete(given_settings(args, BY_HAND))
    entry = BundleEntry(video=args.frames.name, path="", feature=args.feature.name, digest="", frames=0)
    numeric = settings.numeric(weights_digest(settings.weights))
    return Bundle(name="", settings=numeric, job=settings.for_jobs(), videos=[entry]), Job(
        args.feature.parent, None, None, set()
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="frame stream, a file or a pipe")
    parser.add_argument("--bundle", type=Path, help="bundle file, as in the workflow: the videos and the settings")
    parser.add_argument("--feature", type=Path, help=".npy file to write, of one video by hand")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    add_settings(parser.add_argument_group("settings of a video by hand, as in the configuration"), BY_HAND)
    args = parser.parse_args()
    if bool(args.bundle) == bool(args.feature):
        parser.error("give --bundle, or --feature for one video")
    if args.feature and args.feature.suffix != ".npy":
        raise UserError(f"{args.feature}: a feature is a .npy file; name one in --feature")
    if args.bundle and (given := given_settings(args, BY_HAND)):
        parser.error(f"{', '.join(given)}: the bundle file says it")
    return args


def extract(bundle: Bundle, job: Job, stream: BinaryIO) -> Iterator[VideoRecord]:
    """Yield the record of each video in the stream; when all are done already, only read it to its end."""
    left = [entry for entry in bundle.videos if entry.video not in job.done]
    if not left:
        for _ in read_stream(stream):
            pass
        if job.progress:
            job.progress.write(BundleProgress(bundle.name, EXTRACT, 0, 0, ended=True), now=True)
        return
    planned = {entry.video: entry.frames for entry in left}  # no count for a video given by hand
    progress = BundleProgress(bundle.name, EXTRACT, len(left), sum(planned.values()) or None)
    if job.progress:
        job.progress.write(progress, now=True)
    settings = bundle.settings
    engine, provenance = load(bundle)
    log.info("model on %s, %s, batches of %d snippets", provenance["device"], settings.precision, engine.batch_size)
    with Counter(progress, log, frequency=settings.frequency, file=job.progress) as counter:
        extraction = Extraction(
            engine, bundle.videos, job.staging, settings, provenance, job.journal, counter.snippets_done
        )
        for record in extraction.run(stream):
            counter.video_done(planned.get(record.video, 0), record.snippets or 0)
            yield record


def load(bundle: Bundle) -> tuple[Engine, dict[str, object]]:
    """The network on its device, and what all records of the bundle have in common.

    Raises UserError for weights or a precision that cannot be used here.
    """
    settings, job = bundle.settings, bundle.job
    device = choose_device(job.device)
    if reason := why_left_out(settings.precision, device):
        instead = "it computes in fp32" if settings.precision == "tf32" else "it may take longer than fp32"
        log.warning("precision: %s (%s); set 'precision: fp32' or use a GPU", reason, instead)
    key, calibration = job_key(device, settings), Path(job.calibration)
    refuse_failed(calibration, key)
    passed = passed_precisions(calibration, key)
    check_precision(device.type, settings.precision, torch.backends.cudnn.version(), passed)
    network = backbone(settings.model)
    weights = (
        network.random_weights()
        if job.weights == RANDOM
        else load_state_dict(Path(job.weights), network, settings.weights_sha256)
    )
    engine = Engine(settings, weights, device, batch_size=job.batch_size)
    versions = installed_versions((*PACKAGES, *network.requires)) | gpu_versions(device)
    return engine, {
        "fingerprint": bundle.fingerprint,
        "bundle": bundle.name,
        "tree": bundle.tree,
        "weights": job.weights,
        "crop_resize": network.crop_resize,
        "device": recorded_name(device),
        "versions": " ".join(f"{name}={number}" for name, number in versions.items()),
    }


def report(record: VideoRecord) -> None:
    """Log one video's outcome."""
    words = f"{record.snippets} snippets" if record.status == OK else record.reason
    damaged = f", damaged: {record.damaged}" if record.damaged else ""
    log.info("%s: %s: %s, %.1f s%s", record.video, record.status, words, record.seconds or 0, damaged)


if __name__ == "__main__":
    run_main_and_leave(main)
