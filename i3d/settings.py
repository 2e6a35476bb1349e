"""All settings: their names, types, ranges, defaults and meanings.

config/schema.yaml, the table in docs/settings.md, the programs' `--help` and all checks are derived from the structures
here (`i3d.config`); `make settings` writes the two files. To add a setting, add a field; if it changes the numbers in a
feature, add one to `NumericSettings` too.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from i3d.backbones import BACKBONES, kind
from i3d.backbones.backbone import OWN
from i3d.digests import json_digest
from i3d.snippets import SnippetRule
from i3d.specs import PRECISIONS, PrecisionName, SampleModeName

RANDOM = "random"  # value of `weights`: seeded weights
OLD_FFMPEG = "old_ffmpeg"  # value of `via_jpeg`: as FFmpeg before 6.1
VIDEO_SUFFIXES = (
    *("mp4", "avi", "mkv", "mov", "webm", "wmv", "flv", "m4v", "mpg", "mpeg", "ts", "m2ts", "mts", "3gp", "ogv"),
    *("h264", "264", "avc", "h265", "265", "hevc", "dav", "asf", "vob", "mjpeg", "mjpg", "m2v", "3g2", "f4v", "divx"),
    "mxf",
)
SHEET_SUFFIXES = (".yaml", ".yml")  # of a `dataset` that is a path, not the name of a sheet
COPY_ENDINGS = ("flip_h", "flip_v", "bright_low", "bright_medium", "bright_high", "cropped", "augmented")

IS_PATH = Meta(extra_json_schema={"format": "path"})  # `~` is expanded, and what Snakemake would misread is refused
Text = Annotated[str, Meta(min_length=1)]
PathText = Annotated[Text, IS_PATH]
OptionalPath = Annotated[str | None, IS_PATH]
Count = Annotated[int, Meta(ge=1, le=10**9)]


def about(description: str, **limits: Any) -> Meta:
    """Describe a setting, with its `limits` as `msgspec.Meta` accepts them."""
    return Meta(description=description, **limits)


class Validation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The split `val`."""

    fraction: Annotated[float, about("share of these videos; 0 makes no split", ge=0, lt=1)] = 0.0
    seed: Annotated[int, about("another seed picks other videos")] = 0


class Lists(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lists of features."""

    folder: Annotated[PathText, about("where the lists go, and the ground truth beside them")] = "dataset/lists"
    root: Annotated[
        str | None, about("what precedes train_val/... in a line; null means the absolute path of `features`")
    ] = None
    categories: Annotated[
        tuple[Text, ...],
        about("last folders to keep, like [anomaly, non_anomaly] to leave augmented copies out; empty means all"),
    ] = ()
    min_snippets: Annotated[
        dict[str, Count],
        about(
            "least number of snippets for a video of a split, like {test: 3}: RTFM, MGFN, TEVAD and S3R break on "
            "shorter test videos, Smart-Surveillance on those of 1"
        ),
    ] = {}
    copies: Annotated[
        tuple[Annotated[str, Meta(pattern="^[^/]+$")], ...],
        about(
            "endings that make x_flip_h a copy of x, and a video in anomaly_cropped a copy of a video in anomaly; "
            "copies stay with their source when a split is made, and inherit its events. `*` matches anything but `_`"
        ),
    ] = COPY_ENDINGS
    validation: Annotated[
        Validation,
        about("the split `val`, taken from the videos outside `test_split` with the same share of each label"),
    ] = Validation()


class GroundTruth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Labels of the frames."""

    annotations: Annotated[
        OptionalPath,
        about("events of the videos, in one of the forms of docs/data.md; null means those of the data set, if any"),
    ] = None
    splits: Annotated[
        tuple[Text, ...], about("splits that get ground truth beside `test_split` and `val`, like [train_val]")
    ] = ()
    unannotated: Annotated[
        Literal["zeros", "ones"],
        about("label of anomalies without a row in the annotations; Smart-Surveillance's own script uses ones"),
    ] = "zeros"
    strict: Annotated[
        bool, about("end with an error when an annotated video is not in the tree, or an anomaly is not annotated")
    ] = False


class Crops(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file per crop."""

    folder: Annotated[PathText, about("where the files and their lists go")] = "dataset/crops"
    root: Annotated[
        str | None,
        about("what precedes train_val/... in a listed path; null means the absolute path of `crops.folder`"),
    ] = None
    order: Annotated[
        Literal["original", "tencrop", "centre_first"],
        about(
            "original is top left, top right, centre, bottom left, bottom right, then mirrored; tencrop is "
            "torchvision's, corners first; centre_first is XD-Violence's and DeepMIL's"
        ),
    ] = "original"
    test_crop: Annotated[
        Annotated[int, Meta(ge=0, le=9)] | None,
        about("the crop that DeepMIL and VadCLIP test with, as numbered in `order`; null is the centre, not mirrored"),
    ] = None
    labels: Annotated[
        Literal["auto", "anomaly", "event", "category"],
        about(
            "VadCLIP's label of an anomaly is the word `anomaly`, its event's name in the annotations, or the video's "
            "category; auto is the category where `dataset` is set, and else the word"
        ),
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a run, by their names in config/config.yaml."""

    videos: Annotated[PathText, about("tree of videos to read, at any depth, like train_val/anomaly/x.mp4")] = (
        "dataset/videos"
    )
    features: Annotated[PathText, about("tree of features to write; mirrors `videos`, x.mp4 becomes x.npy")] = (
        "dataset/features"
    )
    dataset: Annotated[
        Text | None,
        about(
            "the data set that `videos` holds as it was downloaded: ucf_crime, xd_violence, shanghaitech, msad, "
            "ubnormal, tad, or the path of a sheet of your own (.yaml), see docs/data.md; null derives split and label "
            "from the folders, train_val/anomaly/x.mp4",
            extra_json_schema={"format": "sheet"},
        ),
    ] = None
    split_lists: Annotated[
        dict[str, Annotated[tuple[PathText, ...], Meta(min_length=1)]],
        about(
            "all official lists of a data set's split, where they are not under `videos`, like {test: lists/t.txt} or "
            "{train: [a.txt, b.txt]}"
        ),
    ] = {}
    another_tree: Annotated[
        Literal["refuse", "add", "same"],
        about(
            "when `features` holds features of another tree of videos, refuse the run, add to them (moving and "
            "removing none of theirs), or treat it as the same tree, rearranged"
        ),
    ] = "refuse"
    orphaned: Annotated[
        Literal["few", "other_settings", "all"],
        about(
            "what the target `orphaned` may delete; few refuses when most videos or a top folder are gone, or any "
            "folder is empty, as when a disk is not mounted; other_settings adds stale features made under others"
        ),
    ] = "few"
    subsets: Annotated[
        tuple[Text, ...], about("sub-trees of `videos` to process, like [train_val/anomaly]; empty means all")
    ] = ()
    extensions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\.?[A-Za-z0-9]+$")], ...],
        about("suffixes of videos, in upper or lower case, with or without a leading dot", min_length=1),
    ] = VIDEO_SUFFIXES
    frame_folders: Annotated[
        bool, about("a folder that holds only numbered pictures, like 000.jpg, is a video, too")
    ] = True
    weights: Annotated[
        PathText,
        about("PyTorch state dict (.pth), safetensors, published Caffe2 weights (.pkl), or `random` ones for a trial"),
    ] = "resources/i3d_r50_kinetics.pth"
    model: Annotated[
        Text,
        about(f"network: {', '.join(BACKBONES)}, or timm:NAME for any image tower; each needs its own weights"),
    ] = "i3d_r50"
    normalization: Annotated[
        Literal["inception", "kinetics"],
        about(
            "of I3D's pixels: inception is the original scripts' x*2/255-1; kinetics is (x-114.75)/57.375, which the "
            "published weights were trained with; other networks have their own"
        ),
    ] = "inception"
    frame_pooling: Annotated[
        Literal["mean", "middle"],
        about(
            "how image towers reduce a snippet: to the mean of its frames' features, or to those of the middle frame "
            "alone; without a meaning for networks that take whole snippets"
        ),
    ] = "mean"
    sample_mode: Annotated[SampleModeName, about("oversample takes ten crops of each snippet, center_crop one")] = (
        "oversample"
    )
    frequency: Annotated[Count, about("frames between the starts of two snippets")] = 16
    clip_length: Annotated[
        int, about("frames per snippet; a video with this many frames or fewer is skipped", ge=8, le=512)
    ] = 16
    batch_size: Annotated[
        Count, about("snippets per forward pass at most; halved automatically when the GPU's memory is short")
    ] = 20
    device: Annotated[
        Literal["auto", "cuda", "cpu"], about("where the network runs; auto uses a GPU when there is one")
    ] = "auto"
    precision: Annotated[
        PrecisionName,
        about("arithmetic of the network; fp32 for features equal to the original's, bf16 or fp16 for speed"),
    ] = "fp32"
    fps: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None,
        about("resample to this constant frame rate by timestamps; null takes every coded frame once"),
    ] = None
    via_jpeg: Annotated[
        bool | Literal["old_ffmpeg"],
        about(
            "true takes frames through JPEG files at a constant rate, as the original scripts did, to continue their "
            "features; old_ffmpeg does so as ffmpeg before 6.1 did, which differs for some variable-rate recordings"
        ),
    ] = False
    decoder: Annotated[
        Literal["auto", "decord", "pyav"],
        about(
            "both decode the same frames at about the same speed; auto is PyAV, which reads all files and needs no "
            "more memory for longer ones; decord is used only on small pictures that it decodes reliably"
        ),
    ] = "auto"
    stall_seconds: Annotated[float, about("a video that yields no frame for this many seconds is given up", gt=0)] = (
        60.0
    )
    decode_memory_mb: Annotated[
        int, about("memory one decoding process may use, in MiB, before its video is given up", ge=256, le=10**9)
    ] = 1024
    frames: Annotated[
        Literal["temp", "pipe", "keep"],
        about("decoded frames on their way to extract: a temporary file, never on disk (pipe), or kept for debugging"),
    ] = "temp"
    bundle_frames: Annotated[
        Count,
        about(
            "frames of video for one pair of decode and extract jobs, at most; a frame takes 0.26 MB of temporary file"
        ),
    ] = 10000
    frames_per_second: Annotated[
        float,
        about(
            "frames a second that a cluster job is sure to process; sizes its time limit, unless the plan expects more",
            gt=0,
        ),
    ] = 200.0
    longest_job: Annotated[Count, about("time limit in minutes that no cluster job exceeds, at any attempt")] = 180
    calibration: Annotated[
        PathText,
        about("what `snakemake selfcheck` measured, one entry per machine or slice; planning uses it where it fits"),
    ] = "resources/calibration.json"
    cluster: Annotated[
        str | None,
        about("cluster whose charges the plan uses, as in i3d/cost/clusters.csv; null means $CC_CLUSTER"),
    ] = None
    test_split: Annotated[
        Text,
        about(
            "split of the test videos, by first folder or data set; gets ground truth, and is compared with the others "
            "in the report"
        ),
    ] = "test"
    lists: Annotated[
        Lists,
        about("feature lists for RTFM, MGFN and Smart-Surveillance (target `lists`); choices apply to all exports"),
    ] = Lists()
    ground_truth: Annotated[
        GroundTruth,
        about(
            "labels of a split, `frequency` values per snippet in its list's order; target `ground_truth` makes those "
            "of `test_split` and `val`"
        ),
    ] = GroundTruth()
    compare: Annotated[
        OptionalPath,
        about("another tree of features, such as published ones, that the target `compare` compares with these"),
    ] = None
    snippet_times: Annotated[
        bool, about("have the target `lists` write when each snippet begins and ends, which reads all recordings once")
    ] = False
    crops: Annotated[
        Crops,
        about("one file per crop, for loaders that want (snippets, 2048); targets `ur_dmu`, `deepmil` and `vadclip`"),
    ] = Crops()

    def numeric(self, weights_sha256: str) -> "NumericSettings":
        """Return the settings that fix the numbers: weights by their content, and nothing that the network ignores."""
        network = kind(self.model)
        values = {name: getattr(self, name) for name in NumericSettings.__struct_fields__ if name != "weights_sha256"}
        if self.normalization not in network.normalizations:
            values["normalization"] = OWN
        if not network.frame_poolings:
            values["frame_pooling"] = None
        return NumericSettings(**values, weights_sha256=weights_sha256)

    def for_jobs(self) -> "JobSettings":
        """Return the other settings that decode and extract need."""
        return JobSettings(**{name: getattr(self, name) for name in JobSettings.__struct_fields__})


class NumericSettings(Struct, frozen=True, kw_only=True):
    """The settings that fix the numbers in a feature, part of the bundle file; changing one makes all features due."""

    model: str = "i3d_r50"
    normalization: str = "inception"
    precision: str = "fp32"
    sample_mode: str = "oversample"
    frequency: int = 16
    clip_length: int = 16
    fps: float | None = None
    via_jpeg: bool | str = False
    frame_pooling: str | None = None  # of image towers alone
    weights_sha256: str = RANDOM

    @property
    def rule(self) -> SnippetRule:
        """Which frames make the snippets."""
        return SnippetRule(self.clip_length, self.frequency, middle_only=self.frame_pooling == "middle")

    @property
    def fingerprint(self) -> str:
        """A digest of the settings. Later additions count only where they are set: older features stay valid."""
        content = self.as_dict()
        content["fps"] = None if self.fps is None else float(self.fps)
        if PRECISIONS[self.precision].bytes == 2:
            content["mean"] = "float32"  # the first release took the network's last mean in half precision
        return json_digest({name: value for name, value in content.items() if name not in LATER or value})

    @property
    def decoding(self) -> dict[str, Any]:
        """What decides which frames of a video are decoded, and how; part of each video's entry in a frame stream."""
        return {"fps": self.fps, "via_jpeg": self.via_jpeg, "left_out": self.rule.left_out}

    @property
    def columns(self) -> dict[str, Any]:
        """The settings as fields of a record."""
        columns = self.as_dict()
        return columns | {"resample_fps": columns.pop("fps"), "via_jpeg": self.via_jpeg or None}

    def as_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return msgspec.structs.asdict(self)


LATER = ("via_jpeg", "frame_pooling")  # numeric settings that the first release did not have


class JobSettings(Struct, frozen=True, kw_only=True):
    """Settings of decode and extract that change no number; they travel in the bundle file, too."""

    weights: str = RANDOM
    batch_size: int = 20
    device: str = "auto"
    decoder: str = "auto"
    stall_seconds: float = 60.0
    decode_memory_mb: int = 1024
    calibration: str = ""
