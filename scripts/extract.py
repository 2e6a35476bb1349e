"""Extract features from a frame stream.

In the workflow it takes a bundle's stream to staged features and the bundle's outcomes. By hand, for one video:

    python scripts/decode.py video.mp4 --output video.frames
    python scripts/extract.py --frames video.frames --weights random --feature video.npy
"""

import argparse
import logging
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import torch

from i3d.config import NUMERIC_SETTINGS, complete, load_schema
from i3d.errors import UserError, run_main
from i3d.frame_stream import StreamError, read_stream
from i3d.network.engine import Engine, choose_device, device_name
from i3d.network.extraction import Extraction
from i3d.network.gpu_guard import check_precision, gpu_versions
from i3d.network.model import build_model, expected_shapes
from i3d.network.weights import load_state_dict, random_state_dict
from i3d.planning.bundles import read_bundle
from i3d.planning.plan import RANDOM, weights_digest
from i3d.progress import Progress
from i3d.records.outcomes import OK, Record, staged, write_outcomes

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
        staging = args.staging
        done = {
            entry["video"]: record | {"bundle": bundle["name"]}
            for entry in bundle["videos"]
            if (record := staged(staging, entry, bundle["fingerprint"]))
        }
    else:
        settings = {key: getattr(args, key) for key in NUMERIC_SETTINGS} | {
            "weights_sha256": weights_digest(args.weights)
        }
        entry = {"video": args.frames.name, "feature": args.feature.name, "digest": ""}
        bundle = {"name": "", "settings": settings, "fingerprint": "", "videos": [entry]}
        staging = args.feature.parent
        done = {}

    try:
        stream = args.frames.open("rb", buffering=0)
    except OSError as error:
        raise UserError(
            f"{args.frames}: cannot read the frames ({error.strerror}); scripts/decode.py writes them"
        ) from None
    try:
        with stream:
            for record in extract(args, bundle, staging, stream, skip=set(done)):
                done[record["video"]] = record
                report(record)
    except StreamError as error:
        again = "the videos before are staged, run snakemake again for the rest" if args.bundle else "decode anew"
        raise UserError(f"{args.frames}: {error}; {again}") from None
    missing = [entry["video"] for entry in bundle["videos"] if entry["video"] not in done]
    if missing:
        raise UserError(f"{args.frames}: the stream ended without {', '.join(missing)}; it is not this bundle's")
    if args.output:
        write_outcomes(args.output, (done[entry["video"]] for entry in bundle["videos"]))


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
    bundle = parser.add_argument_group("a bundle, as in the workflow")
    bundle.add_argument("--bundle", type=Path, help="bundle file; holds the settings")
    bundle.add_argument("--staging", type=Path, help="tree to put finished features in")
    bundle.add_argument("--output", type=Path, help="outcomes file to write, one JSON line per video")
    single = parser.add_argument_group("one video, by hand")
    single.add_argument("--feature", type=Path, help=".npy file to write, with its record beside it")
    for key in NUMERIC_SETTINGS:
        kind = type(defaults[key]) if defaults[key] is not None else float
        single.add_argument(f"--{key.replace('_', '-')}", type=kind, default=defaults[key])
    args = parser.parse_args()
    if args.bundle and not (args.staging and args.output):
        parser.error("--bundle needs --staging and --output")
    if not args.bundle and not args.feature:
        parser.error("give --bundle, or --feature for one video")
    return args


def extract(
    args: argparse.Namespace, bundle: dict[str, Any], staging: Path, stream: BinaryIO, skip: set[str]
) -> Iterator[Record]:
    """Yield the record of each video in the stream; when all are to be skipped, only read it to its end."""
    left = [entry for entry in bundle["videos"] if entry["video"] not in skip]
    if not left:
        for _ in read_stream(stream):
            pass
        return
    settings = bundle["settings"]
    device = choose_device(args.device)
    check_precision(device.type, settings["precision"], torch.backends.cudnn.version(), passed=None)
    expected = expected_shapes(settings["model"])
    weights = random_state_dict(expected) if args.weights == RANDOM else load_state_dict(Path(args.weights), expected)
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
        "bundle": bundle["name"],
        "fingerprint": bundle["fingerprint"],
        "weights": args.weights,
        "weights_sha256": settings["weights_sha256"],
        **{key: settings[key] for key in NUMERIC_SETTINGS if key != "fps"},
        "resample_fps": settings["fps"],
        "device": device_name(device),
        "versions": " ".join(f"{name}={number}" for name, number in versions.items()),
    }
    log.info("model on %s, %s, batches of %d snippets", provenance["device"], settings["precision"], engine.batch_size)
    planned = {entry["video"]: entry.get("frames", 0) for entry in left}  # no count for a video given by hand
    with Progress(len(left), sum(planned.values()) or None, log, frequency=settings["frequency"]) as progress:
        extraction = Extraction(engine, bundle["videos"], staging, settings, provenance, progress.snippets_done)
        for record in extraction.run(stream):
            progress.video_done(planned.get(record["video"], 0), record["snippets"])
            yield record


def report(record: Record) -> None:
    """Log one video's outcome."""
    words = f"{record['snippets']} snippets" if record["status"] == OK else record["reason"]
    damaged = f", damaged: {record['damaged']}" if record["damaged"] else ""
    log.info("%s: %s: %s, %.1f s%s", record["video"], record["status"], words, record["seconds"], damaged)


if __name__ == "__main__":
    run_main(main)
    os._exit(0)  # all is written; tearing torch down takes half a second
