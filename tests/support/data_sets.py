"""Made-up small copies of the public data sets: their layouts, names, lists and annotations, with tiny clips.

What each says of its videos is written down here by hand, not computed.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.workflow import write_clip

CLIP = 24  # frames of each video


@dataclass
class MadeUp:
    """A data set: its videos with (split, category, label), none for those that it does not cover; events by video."""

    videos: dict[str, tuple[str, str, int] | None]
    events: dict[str, list[tuple[int, int]]]  # first and last frame from 0, of each anomaly in the test split
    files: Callable[[Path], None]  # writes its lists and annotations below a folder
    frame_folders: dict[str, str] = field(
        default_factory=dict
    )  # published as pictures: how the one of a number is named

    def write(self, root: Path) -> None:
        """Write the videos, lists and annotations below a folder."""
        for seed, video in enumerate(self.videos):
            if (name := self.frame_folders.get(video)) is None:
                write_clip(root / video, CLIP, seed)
            else:
                _frames(root / video, name, seed)
        self.files(root)

    def feature(self, video: str) -> str:
        """The path of its feature: a folder's name is kept whole."""
        return f"{video if video in self.frame_folders else video.rpartition('.')[0]}.npy"


def _frames(folder: Path, name: str, seed: int) -> None:
    folder.mkdir(parents=True)
    picture = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    for number in range(CLIP):
        Image.fromarray(np.roll(picture, 3 * number, axis=1)).save(folder / name.format(number))


def _text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def _ucf_crime(root: Path) -> None:
    splits = root / "UCF_Crimes-Train-Test-Split/Anomaly_Detection_splits"
    _text(
        splits / "Anomaly_Train.txt",
        "Abuse/Abuse001_x264.mp4",
        "Training_Normal_Videos_Anomaly/Normal_Videos003_x264.mp4",
    )
    _text(
        splits / "Anomaly_Test.txt",
        "Abuse/Abuse028_x264.mp4",
        "Arson/Arson011_x264.mp4",
        "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4",
    )
    _text(
        root / "Temporal_Anomaly_Annotation_for_Testing_Videos.txt",
        "Abuse028_x264.mp4  Abuse  5  9  -1  -1  ",
        "Arson011_x264.mp4  Arson  0  3  12  20  ",
        "Normal_Videos_003_x264.mp4  Normal  -1  -1  -1  -1  ",
    )


def _xd_violence(root: Path) -> None:
    _text(root / "annotations.txt", "v=Ab-1__#1_label_B4-0-0 2 4 10 15", "Bad.Boys.1995__#01_label_G-B2-B6 7 23")


def _shanghaitech(root: Path) -> None:
    _text(root / "SH_Train.txt", "01_001", "01_0014")
    _text(root / "SH_Test.txt", "02_002", "05_0018")
    masks = root / "testing/test_frame_mask"
    masks.mkdir(parents=True)
    for name, marked in (("01_0014", [(3, 8)]), ("05_0018", [(0, 4), (9, 9)])):
        mask = np.zeros(CLIP, np.uint8)
        for first, last in marked:
            mask[first : last + 1] = 1
        np.save(masks / f"{name}.npy", mask)


def _msad(root: Path) -> None:
    scratch = "/scratch/x/MSAD-I3D-WS"
    _text(root / "msad-i3d.list", f"{scratch}/Assault_1_i3d.npy", f"{scratch}/MSAD_normal_frontdoor1_i3d.npy")
    _text(
        root / "msad-i3d-test.list",
        f"{scratch}/Assault_2_i3d.npy",
        f"{scratch}/Water_incident_5_i3d.npy",
        f"{scratch}/MSAD_normal_testing_1_i3d.npy",
    )
    with (root / "anomaly_annotation.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [
                ("name", "scenario", "total frames", "starting frame of anomaly", "ending frame of anomaly"),
                ("Assault_1", "shop", CLIP, 3, CLIP),
                ("Assault_2", "shop", CLIP, 5, 12),
                ("Water_incident_5", "park", CLIP, 1, CLIP),
            ]
        )


def _ubnormal(root: Path) -> None:
    for kind, split, names in (
        ("normal", "training", ["normal_scene_1_scenario_1"]),
        ("abnormal", "training", ["abnormal_scene_1_scenario_2"]),
        ("normal", "validation", ["normal_scene_2_scenario_1"]),
        ("abnormal", "validation", ["abnormal_scene_2_scenario_3"]),
        ("normal", "test", ["normal_scene_2_scenario_4"]),
        ("abnormal", "test", ["abnormal_scene_1_scenario_5"]),
    ):
        _text(root / f"scripts/{kind}_{split}_video_names.txt", *names)
    for scene, name, lines in (
        (1, "abnormal_scene_1_scenario_2", ["1,0,3"]),
        (2, "abnormal_scene_2_scenario_3", ["1,4,6"]),
        (1, "abnormal_scene_1_scenario_5", ["1.0,2.0,5.0", "3.0,4.0,11.0"]),
    ):
        _text(root / f"Scene{scene}/{name}_annotations/{name}_tracks.txt", *lines)


def _tad(root: Path) -> None:
    _text(
        root / "TAD_train.txt",
        f"frames/abnormal/01_Accident_001.mp4 0 {CLIP} 1",
        f"frames/normal/Normal_001.mp4 0 {CLIP} 0",
    )
    _text(
        root / "TAD_test.txt",
        f"frames/abnormal/01_Accident_006.mp4 {CLIP} 1 7 11",
        f"frames/abnormal/03_IllegalOccupation_004.mp4 {CLIP} 3 0 {CLIP + 1}",
        f"frames/normal/Normal_008.mp4 {CLIP} 0 0 {CLIP}",
    )


DATA_SETS = {
    "ucf_crime": MadeUp(
        {
            "Anomaly-Videos-Part-1/Abuse/Abuse001_x264.mp4": ("train", "Abuse", 1),
            "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4": ("test", "Abuse", 1),
            "Anomaly-Videos-Part-1/Arson/Arson011_x264.mp4": ("test", "Arson", 1),
            "Training-Normal-Videos-Part-1/Normal_Videos003_x264.mp4": ("train", "Normal", 0),
            "Testing_Normal_Videos_Anomaly/Normal_Videos_003_x264.mp4": ("test", "Normal", 0),
            "Normal_Videos_for_Event_Recognition/Normal_Videos_003_x264.mp4": None,
        },
        {
            "Anomaly-Videos-Part-1/Abuse/Abuse028_x264.mp4": [(5, 9)],
            "Anomaly-Videos-Part-1/Arson/Arson011_x264.mp4": [(0, 3), (12, 20)],
        },
        _ucf_crime,
    ),
    "xd_violence": MadeUp(
        {
            "1-1004/A.Beautiful.Mind.2001__#00-01-45_00-02-50_label_A.mp4": ("train", "A", 0),
            "2805-3319/v=xyz__#1_label_B1-0-0.mp4": ("train", "B1-0-0", 1),
            "videos/v=Ab-1__#1_label_B4-0-0.mp4": ("test", "B4-0-0", 1),
            "videos/Bad.Boys.1995__#01_label_G-B2-B6.mp4": ("test", "G-B2-B6", 1),
            "videos/v=normal__#1_label_A.mp4": ("test", "A", 0),
        },
        {
            "videos/v=Ab-1__#1_label_B4-0-0.mp4": [(2, 4), (10, 15)],
            "videos/Bad.Boys.1995__#01_label_G-B2-B6.mp4": [(7, 23)],
        },
        _xd_violence,
    ),
    "shanghaitech": MadeUp(
        {
            "training/videos/01_001.avi": ("train", "normal", 0),
            "training/videos/02_002.avi": ("test", "normal", 0),
            "testing/frames/01_0014": ("train", "anomaly", 1),
            "testing/frames/05_0018": ("test", "anomaly", 1),
        },
        {"testing/frames/05_0018": [(0, 4), (9, 9)]},
        _shanghaitech,
        dict.fromkeys(["testing/frames/01_0014", "testing/frames/05_0018"], "{:03}.jpg"),
    ),
    "msad": MadeUp(
        {
            "MSAD_anomaly_blur/Assault/Assault_1.mp4": ("train", "Assault", 1),
            "MSAD_anomaly_blur/Assault/Assault_2.mp4": ("test", "Assault", 1),
            "MSAD_anomaly_blur/Water_incident/Water_incident_5.mp4": ("test", "Water_incident", 1),
            "MSAD_normal_training_blur/frontdoor1.mp4": ("train", "Normal", 0),
            "MSAD_normal_testing_blur/MSAD_normal_testing_1.mp4": ("test", "Normal", 0),
        },
        {
            "MSAD_anomaly_blur/Assault/Assault_2.mp4": [(4, 11)],
            "MSAD_anomaly_blur/Water_incident/Water_incident_5.mp4": [(0, CLIP - 1)],
        },
        _msad,
    ),
    "ubnormal": MadeUp(
        {
            "Scene1/normal_scene_1_scenario_1.mp4": ("train", "normal", 0),
            "Scene1/abnormal_scene_1_scenario_2.mp4": ("train", "abnormal", 1),
            "Scene2/normal_scene_2_scenario_1.mp4": ("val", "normal", 0),
            "Scene2/abnormal_scene_2_scenario_3.mp4": ("val", "abnormal", 1),
            "Scene2/normal_scene_2_scenario_4.mp4": ("test", "normal", 0),
            "Scene1/abnormal_scene_1_scenario_5.mp4": ("test", "abnormal", 1),
        },
        {"Scene1/abnormal_scene_1_scenario_5.mp4": [(2, 5), (4, 11)]},
        _ubnormal,
    ),
    "tad": MadeUp(
        {
            "frames/abnormal/01_Accident_001.mp4": ("train", "Accident", 1),
            "frames/normal/Normal_001.mp4": ("train", "Normal", 0),
            "frames/abnormal/01_Accident_006.mp4": ("test", "Accident", 1),
            "frames/abnormal/03_IllegalOccupation_004.mp4": ("test", "IllegalOccupation", 1),
            "frames/normal/Normal_008.mp4": ("test", "Normal", 0),
        },
        {
            "frames/abnormal/01_Accident_006.mp4": [(7, 11)],
            "frames/abnormal/03_IllegalOccupation_004.mp4": [(0, CLIP - 1)],
        },
        _tad,
        dict.fromkeys(
            [
                "frames/abnormal/01_Accident_001.mp4",
                "frames/normal/Normal_001.mp4",
                "frames/abnormal/01_Accident_006.mp4",
                "frames/abnormal/03_IllegalOccupation_004.mp4",
                "frames/normal/Normal_008.mp4",
            ],
            "{}.jpg",
        ),
    ),
}
