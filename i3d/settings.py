"""The settings: their names, types, ranges, defaults and meanings, said once.

config/schema.yaml, the table in docs/settings.md, `--help` of the programs and all checks come from the structures here
(`i3d.config`); `make settings` writes the two files. To add a setting, add a field, and, if it changes the numbers in a
feature, one to `NumericSettings`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from i3d.backbones import BACKBONES, kind
from i3d.backbones.backbone import OWN
from i3d.digests import json_digest
from i3d.snippets import SnippetRule
from i3d.specs import PRECISIONS, PrecisionName, SampleModeName

RANDOM = "random"  # the value of `weights` that stands for seeded weights
OLD_FFMPEG = "old_ffmpeg"  # the value of `via_jpeg` that stands for FFmpeg before 6.1
VIDEO_SUFFIXES = (
    *("mp4", "avi", "mkv", "mov", "webm", "wmv", "flv", "m4v", "mpg", "mpeg", "ts", "m2ts", "mts", "3gp", "ogv"),
    *("h264", "264", "avc", "h265", "265", "hevc", "dav", "asf", "vob", "mjpeg", "mjpg", "m2v", "3g2", "f4v", "divx"),
    "mxf",
)
SHEET_SUFFIXES = (".yaml", ".yml")  # of a `dataset` that is a path, not the name of a sheet
COPY_ENDINGS = ("flip_h", "flip_v", "bright_low", "bright_medium", "bright_high", "cropped", "augmented")

IS_PATH = {"format": "path"}  # `~` is expanded, and what Snakemake would misread is refused
Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1, le=10**9)]


class Validation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The split `val`."""

    fraction: Annotated[float, Meta(ge=0, lt=1, description="share of these videos; 0 makes no split")] = 0.0
    seed: Annotated[int, Meta(description="another number takes other videos")] = 0


class Lists(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lists of features."""

    folder: Annotated[
        Text, Meta(description="where the lists go, and the ground truth beside them", extra_json_schema=IS_PATH)
    ] = "dataset/lists"
    root: Annotated[
        str | None,
        Meta(description="what a line has before train_val/...; null means the absolute path of `features`"),
    ] = None
    categories: Annotated[
        tuple[Text, ...],
        Meta(
            description="last folders to keep, like [anomaly, non_anomaly] to leave augmented copies out; empty means "
            "all"
        ),
    ] = ()
    min_snippets: Annotated[
        dict[str, Count],
        Meta(
            description="snippets that a video of a split must have, like {test: 3}: RTFM, MGFN, TEVAD and S3R break "
            "on shorter test videos, Smart-Surveillance on those of 1"
        ),
    ] = {}
    copies: Annotated[
        tuple[Annotated[str, Meta(pattern="^[^/]+$")], ...],
        Meta(
            description="endings that make x_flip_h a copy of x, and a video in anomaly_cropped one of a video in "
            "anomaly; copies stay with their source when a split is made, and inherit its events. `*` stands for "
            "anything but `_`"
        ),
    ] = COPY_ENDINGS
    validation: Annotated[
        Validation,
        Meta(
            description="the split `val`, taken from the videos outside `test_split` with the same share of each label"
        ),
    ] = Validation()


class GroundTruth(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Labels of the frames."""

    annotations: Annotated[
        str | None,
        Meta(
            description="CSV with video_name,start_annotation,end_annotation,event_name, in frames of the recordings "
            "from 0, ends included",
            extra_json_schema=IS_PATH,
        ),
    ] = None
    splits: Annotated[
        tuple[Text, ...],
        Meta(description="splits that get ground truth beside `test_split` and `val`, like [train_val]"),
    ] = ()
    unannotated: Annotated[
        Literal["zeros", "ones"],
        Meta(
            description="what anomalies without a row in the annotations are marked with; Smart-Surveillance's own "
            "script takes ones"
        ),
    ] = "zeros"
    strict: Annotated[
        bool,
        Meta(
            description="end with an error when an annotated video is not in the tree, or an anomaly is not annotated"
        ),
    ] = False


class Crops(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file per crop."""

    folder: Annotated[Text, Meta(description="where the files and their lists go", extra_json_schema=IS_PATH)] = (
        "dataset/crops"
    )
    root: Annotated[
        str | None,
        Meta(description="what a listed path has before train_val/...; null means the absolute path of `crops.folder`"),
    ] = None
    order: Annotated[
        Literal["original", "tencrop", "centre_first"],
        Meta(
            description="original is top left, top right, centre, bottom left, bottom right, then mirrored; tencrop is "
            "torchvision's, corners first; centre_first is XD-Violence's and DeepMIL's"
        ),
    ] = "original"
    test_crop: Annotated[
        Annotated[int, Meta(ge=0, le=9)] | None,
        Meta(
            description="the one crop that DeepMIL and VadCLIP test with, as numbered in `order`; null is the centre, "
            "not mirrored"
        ),
    ] = None
    labels: Annotated[
        Literal["auto", "anomaly", "event", "category"],
        Meta(
            description="VadCLIP's label of an anomaly is the word `anomaly`, its event's name in the annotations, or "
            "the video's category; auto is the category where `dataset` is set, and else the word"
        ),
    ] = "auto"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a run, by their names in config/config.yaml."""

    videos: Annotated[
        Text,
        Meta(
            description="tree of videos to read, at any depth, like train_val/anomaly/x.mp4", extra_json_schema=IS_PATH
        ),
    ] = "dataset/videos"
    features: Annotated[
        Text,
        Meta(description="tree of features to write; mirrors `videos`, x.mp4 becomes x.npy", extra_json_schema=IS_PATH),
    ] = "dataset/features"
    dataset: Annotated[
        Text | None,
        Meta(
            description="the data set that `videos` holds as it was downloaded: ucf_crime, xd_violence, shanghaitech, "
            "msad, ubnormal, tad, or the path of a sheet of your own (.yaml), see docs/data.md; null takes split and "
            "label from the folders, train_val/anomaly/x.mp4",
            extra_json_schema={"format": "sheet"},
        ),
    ] = None
    split_lists: Annotated[
        dict[str, Annotated[Text, Meta(extra_json_schema=IS_PATH)]],
        Meta(description="official lists of a data set's splits that are not under `videos`, like {test: lists/t.txt}"),
    ] = {}
    another_tree: Annotated[
        Literal["refuse", "add", "same"],
        Meta(
            description="when `features` holds features of another tree of videos, refuse the run, add to them (moving "
            "and removing nothing of theirs), or take it for the same tree, rearranged"
        ),
    ] = "refuse"
    orphaned: Annotated[
        Literal["few", "all"],
        Meta(
            description="what the target `orphaned` may delete; few refuses when most videos or a whole top folder are "
            "gone, as when a disk is not mounted"
        ),
    ] = "few"
    subsets: Annotated[
        tuple[Text, ...],
        Meta(description="sub-trees of `videos` to process, like [train_val/anomaly]; empty means all"),
    ] = ()
    extensions: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\.?[A-Za-z0-9]+$")], ...],
        Meta(
            min_length=1,
            description="suffixes that make a file a video, in upper or lower case, with or without a leading dot",
        ),
    ] = VIDEO_SUFFIXES
    frame_folders: Annotated[
        bool,
        Meta(description="a folder that holds only numbered pictures, like 000.jpg, is a video, too"),
    ] = True
    weights: Annotated[
        Text,
        Meta(
            description="PyTorch state dict (.pth), safetensors, published Caffe2 weights (.pkl), or `random` for a "
            "trial with seeded weights",
            extra_json_schema=IS_PATH,
        ),
    ] = "resources/i3d_r50_kinetics.pth"
    model: Annotated[
        Text,
        Meta(
            description=f"network, one of {', '.join(BACKBONES)}, or timm:NAME for any image tower of timm; each needs "
            "its own weights"
        ),
    ] = "i3d_r50"
    normalization: Annotated[
        Literal["inception", "kinetics"],
        Meta(
            description="of I3D's pixels: inception is the original scripts' x*2/255-1; kinetics is (x-114.75)/57.375, "
            "which the published weights were trained with; other networks have their own"
        ),
    ] = "inception"
    frame_pooling: Annotated[
        Literal["mean", "middle"],
        Meta(
            description="what image towers make of a snippet: the mean of its frames' features, or those of the middle "
            "frame alone; without a meaning for networks that take whole snippets"
        ),
    ] = "mean"
    sample_mode: Annotated[
        SampleModeName,
        Meta(description="oversample takes ten crops of each snippet, center_crop one"),
    ] = "oversample"
    frequency: Annotated[Count, Meta(description="frames between the starts of two snippets")] = 16
    clip_length: Annotated[
        Annotated[int, Meta(ge=8, le=512)],
        Meta(description="frames per snippet; a video with this many frames or fewer is skipped"),
    ] = 16
    batch_size: Annotated[
        Count,
        Meta(description="snippets per forward pass at most; halved by itself when the GPU's memory is short"),
    ] = 20
    device: Annotated[
        Literal["auto", "cuda", "cpu"],
        Meta(description="where the network runs; auto takes a GPU when there is one"),
    ] = "auto"
    precision: Annotated[
        PrecisionName,
        Meta(
            description="arithmetic of the network; fp32 for features equal to the original's, bf16 or fp16 for speed"
        ),
    ] = "fp32"
    fps: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None,
        Meta(description="resample to this constant frame rate by timestamps; null takes every coded frame once"),
    ] = None
    via_jpeg: Annotated[
        bool | Literal["old_ffmpeg"],
        Meta(
            description="true takes frames through JPEG files at a constant rate, as the original scripts had them, to "
            "continue their features; old_ffmpeg does so as ffmpeg before 6.1 did, which differs for some "
            "variable-rate recordings"
        ),
    ] = False
    decoder: Annotated[
        Literal["auto", "decord", "pyav"],
        Meta(
            description="both give the same frames at about the same speed; auto takes PyAV, which reads all files and "
            "needs no more memory for longer ones; decord is used on small pictures that it can be trusted with"
        ),
    ] = "auto"
    stall_seconds: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(description="a video that yields no frame for this many seconds is given up"),
    ] = 60.0
    decode_memory_mb: Annotated[
        Annotated[int, Meta(ge=256, le=10**9)],
        Meta(description="memory one decoding process may take, in MiB, before its video is given up"),
    ] = 1024
    frames: Annotated[
        Literal["temp", "pipe", "keep"],
        Meta(
            description="decoded frames between decode and extract are a temporary file (temp), never on disk (pipe) "
            "or kept for debugging (keep)"
        ),
    ] = "temp"
    bundle_frames: Annotated[
        Count,
        Meta(
            description="frames of video that one pair of decode and extract jobs takes; a frame is 0.26 MB in a "
            "temporary file"
        ),
    ] = 10000
    frames_per_second: Annotated[
        Annotated[float, Meta(gt=0)],
        Meta(
            description="frames a second that one cluster job is sure to get through; sizes its time limit, nothing "
            "else"
        ),
    ] = 200.0
    longest_job: Annotated[
        Count, Meta(description="time limit in minutes that no cluster job exceeds, at any attempt")
    ] = 180
    calibration: Annotated[
        Text,
        Meta(
            description="what `snakemake selfcheck` measured, one entry per machine or slice; planning uses it where "
            "it fits",
            extra_json_schema=IS_PATH,
        ),
    ] = "resources/calibration.json"
    cluster: Annotated[
        str | None,
        Meta(
            description="cluster whose charges the plan reckons with, as in i3d/cost/clusters.csv; null means the one "
            "that it runs on, by $CC_CLUSTER"
        ),
    ] = None
    test_split: Annotated[
        Text,
        Meta(
            description="first folder of the videos to test with; gets ground truth, and is compared with the others "
            "in the report"
        ),
    ] = "test"
    lists: Annotated[
        Lists,
        Meta(
            description="lists of features for RTFM, MGFN and Smart-Surveillance, one per split; target `lists`. What "
            "is chosen here goes for all exports"
        ),
    ] = Lists()
    ground_truth: Annotated[
        GroundTruth,
        Meta(
            description="labels of a split, `frequency` values per snippet in its list's order; target `ground_truth` "
            "makes those of `test_split` and `val`"
        ),
    ] = GroundTruth()
    compare: Annotated[
        str | None,
        Meta(
            description="another tree of features, such as published ones, that the target `compare` lays beside these",
            extra_json_schema=IS_PATH,
        ),
    ] = None
    snippet_times: Annotated[
        bool,
        Meta(
            description="have the target `lists` write when each snippet begins and ends, which reads all of the "
            "recordings once"
        ),
    ] = False
    crops: Annotated[
        Crops,
        Meta(
            description="one file per crop, for loaders that want (snippets, 2048); targets `ur_dmu`, `deepmil` and "
            "`vadclip`"
        ),
    ] = Crops()

    def numeric(self, weights_sha256: str) -> "NumericSettings":
        """What fixes the numbers, with the weights by their content, and without what means nothing to the network."""
        network = kind(self.model)
        values = {name: getattr(self, name) for name in NumericSettings.__struct_fields__ if name != "weights_sha256"}
        if self.normalization not in network.normalizations:
            values["normalization"] = OWN
        if not network.frame_poolings:
            values["frame_pooling"] = None
        return NumericSettings(**values, weights_sha256=weights_sha256)

    def for_jobs(self) -> "JobSettings":
        """What decode and extract must know beside that."""
        return JobSettings(**{name: getattr(self, name) for name in JobSettings.__struct_fields__})


class NumericSettings(Struct, frozen=True, kw_only=True):
    """The settings that fix the numbers in a feature: a change of one makes every feature due again.

    They travel in the bundle file, from which decode and extract read them.
    """

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
        """A digest of them. Settings that came later count only where they are set: older features stay valid."""
        content = self.as_dict()
        content["fps"] = None if self.fps is None else float(self.fps)
        if PRECISIONS[self.precision].bytes == 2:
            content["mean"] = "float32"  # the first release took the network's last mean in half precision
        return json_digest({name: value for name, value in content.items() if name not in LATER or value})

    @property
    def decoding(self) -> dict[str, Any]:
        """What decides which frames of a video are decoded, and how; a frame stream says it of each video."""
        return {"fps": self.fps, "via_jpeg": self.via_jpeg, "left_out": self.rule.left_out}

    @property
    def columns(self) -> dict[str, Any]:
        """What a record says of them."""
        columns = self.as_dict()
        return columns | {"resample_fps": columns.pop("fps"), "via_jpeg": self.via_jpeg or None}

    def as_dict(self) -> dict[str, Any]:
        """By name."""
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
