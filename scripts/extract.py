"""Extract features from a frame stream.

In the workflow it takes a bundle's stream to staged features and a journal of what became of each video. By hand:

    python scripts/decode.py video.mp4 --output video.frames
    python scripts/extract.py --frames video.frames --weights random --feature video.npy
"""

import argparse
import logging
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO

import torch
import yaml

from i3d.config import NUMERIC_SETTINGS, RANDOM, complete, load_schema
from i3d.cost.calibration import passed_precisions, refuse_failed
from i3d.errors import UserError, run_main
from i3d.frame_stream import StreamError, read_stream
from i3d.network.engine import Engine, choose_device, device_name
from i3d.network.extraction import Extraction
from i3d.network.gpu_guard import check_precision, gpu_versions
from i3d.network.model import build_model, expected_shapes
from i3d.network.weights import load_state_dict, random_state_dict
from i3d.planning.weights_check import weights_digest
from i3d.progress.bundle import EXTRACT, BundleProgress, ProgressFile
from i3d.progress.counter import Counter
from i3d.records.bundles import Bundle, BundleEntry, read_bundle
from i3d.records.journal import finished
from i3d.records.record import OK, VideoRecord
from i3d.selfcheck.facts import job_key
from i3d.snippets import SnippetRule

OPTIONS = (*NUMERIC_SETTINGS, "weights", "device", "batch_size")  # that mean what they mean in the configuration
PACKAGES = ("torch", "numpy", "pillow", "decord", "av")  # whose versions the tables record

log = logging.getLogger("extract")


def main() -> None:
    args = parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    complete({key: getattr(args, key) for key in OPTIONS})  # refuses wrong values in words
    torch.set_num_threads(args.threads)
    if args.bundle:
        bundle = read_bundle(args.bundle)
        done = set(finished(args.journal, args.staging, bundle.fingerprint))
    else:
        bundle = bundle_by_hand(args)
        args.staging, done = args.feature.parent, set()

    try:
        stream = args.frames.open("rb", buffering=0)
    except OSError as error:
        raise UserError(
            f"{args.frames}: cannot read the frames ({error.strerror}); scripts/decode.py writes them"
        ) from None
    try:
        with stream:
            for record in extract(args, bundle, stream, skip=done):
                done.add(record.video)
                report(record)
    except StreamError as error:
        again = "the videos before are staged, run snakemake again for the rest" if args.bundle else "decode anew"
        raise UserError(f"{args.frames}: {error}; {again}") from None
    if missing := [entry.video for entry in bundle.videos if entry.video not in done]:
        raise UserError(f"{args.frames}: the stream ended without {', '.join(missing)}; it is not this bundle's")


def bundle_by_hand(args: argparse.Namespace) -> Bundle:
    """A bundle of the one video that was asked for."""
    settings = {key: getattr(args, key) for key in NUMERIC_SETTINGS} | {"weights_sha256": weights_digest(args.weights)}
    entry = BundleEntry(video=args.frames.name, path="", feature=args.feature.name, digest="", frames=0)
    return Bundle(name="", settings=settings, fingerprint="", videos=[entry])


def parse_args() -> argparse.Namespace:
    defaults = {key: value.get("default") for key, value in load_schema()["properties"].items()}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="frame stream, a file or a pipe")
    parser.add_argument("--weights", default=defaults["weights"], help="weights file, or 'random'")
    parser.add_argument("--device", default=defaults["device"], help="auto, cuda or cpu")
    parser.add_argument(
        "--batch-size", type=int, default=defaults["batch_size"], help="snippets per forward pass at most"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument(
        "--calibration", type=Path, default=defaults["calibration"], help="what self-checks found: refuse what failed"
    )
    bundle = parser.add_argument_group("a bundle, as in the workflow")
    bundle.add_argument("--bundle", type=Path, help="bundle file; holds the settings")
    bundle.add_argument("--staging", type=Path, help="tree to put finished features in")
    bundle.add_argument("--journal", type=Path, help="the bundle's journal, to add a record of each finished video to")
    bundle.add_argument("--progress", type=Path, help="file to keep the progress in, for those who watch the run")
    single = parser.add_argument_group("one video, by hand")
    single.add_argument("--feature", type=Path, help=".npy file to write")
    for key in NUMERIC_SETTINGS:
        kind = {"fps": float, "via_jpeg": yaml.safe_load}.get(key, type(defaults[key]))
        single.add_argument(f"--{key.replace('_', '-')}", type=kind, default=defaults[key])
    args = parser.parse_args()
    if args.bundle and not (args.staging and args.journal):
        parser.error("--bundle needs --staging and --journal")
    if not args.bundle and not args.feature:
        parser.error("give --bundle, or --feature for one video")
    return args


def extract(args: argparse.Namespace, bundle: Bundle, stream: BinaryIO, skip: set[str]) -> Iterator[VideoRecord]:
    """Yield the record of each video in the stream; when all are to be skipped, only read it to its end."""
    left = [entry for entry in bundle.videos if entry.video not in skip]
    if not left:
        for _ in read_stream(stream):
            pass
        if args.progress:
            ProgressFile(args.progress).write(BundleProgress(bundle.name, EXTRACT, 0, 0, ended=True), now=True)
        return
    planned = {entry.video: entry.frames for entry in left}  # no count for a video given by hand
    progress = BundleProgress(bundle.name, EXTRACT, len(left), sum(planned.values()) or None)
    progress_file = ProgressFile(args.progress) if args.progress else None
    if progress_file:
        progress_file.write(progress, now=True)
    settings = bundle.settings
    device = choose_device(args.device)
    key = job_key(device, settings)
    refuse_failed(args.calibration, key)
    passed = passed_precisions(args.calibration, key)
    check_precision(device.type, settings["precision"], torch.backends.cudnn.version(), passed)
    expected = expected_shapes(settings["model"])
    weights = (
        random_state_dict(expected)
        if args.weights == RANDOM
        else load_state_dict(Path(args.weights), expected, settings["weights_sha256"])
    )
    engine = Engine(
        build_model(settings["model"], weights),
        device,
        normalization=settings["normalization"],
        sample_mode=settings["sample_mode"],
        precision=settings["precision"],
        batch_size=args.batch_size,
    )
    versions = {name: version(name) for name in PACKAGES} | gpu_versions(device)
    provenance = {
        "bundle": bundle.name,
        "fingerprint": bundle.fingerprint,
        "tree": bundle.tree,
        "weights": args.weights,
        "weights_sha256": settings["weights_sha256"],
        **{key: settings[key] for key in NUMERIC_SETTINGS if key not in ("fps", "via_jpeg")},
        "resample_fps": settings["fps"],
        "via_jpeg": settings.get("via_jpeg") or None,
        "device": device_name(device),
        "versions": " ".join(f"{name}={number}" for name, number in versions.items()),
    }
    log.info("model on %s, %s, batches of %d snippets", provenance["device"], settings["precision"], engine.batch_size)
    rule = SnippetRule(settings["clip_length"], settings["frequency"])
    with Counter(progress, log, frequency=rule.frequency, file=progress_file) as counter:
        journal = args.journal if args.bundle else None
        extraction = Extraction(engine, bundle.videos, args.staging, rule, provenance, journal, counter.snippets_done)
        for record in extraction.run(stream):
            counter.video_done(planned.get(record.video, 0), record.snippets or 0)
            yield record


def report(record: VideoRecord) -> None:
    """Log one video's outcome."""
    words = f"{record.snippets} snippets" if record.status == OK else record.reason
    damaged = f", damaged: {record.damaged}" if record.damaged else ""
    log.info("%s: %s: %s, %.1f s%s", record.video, record.status, words, record.seconds or 0, damaged)


if __name__ == "__main__":
    run_main(main)
    os._exit(0)  # all is written; tearing torch down takes half a second
