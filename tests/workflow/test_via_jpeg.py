"""Features through JPEG, by the whole workflow, against the original way: JPEG files, Pillow, the plain network."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from i3d.backbones import backbone
from i3d.backbones.i3d_r50.layers import I3DResNet50
from i3d.decoding.damage import Faults
from i3d.decoding.jpeg import jpeg_files
from i3d.decoding.timestamps import PacketTimes
from i3d.decoding.video_file import Video
from tests.support import reference_inputs
from tests.support.clips import X264, ffmpeg, pattern
from tests.support.jpegs import program_pictures, timed
from tests.support.paths import SHARED
from tests.support.reference_inputs import relative_error
from tests.support.workflow import Workflow

pytestmark = pytest.mark.workflow

REAL = SHARED / "videos" / "real"
GOLDEN = SHARED / "reference" / "golden"


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    arrays = reference_inputs.state_dict(backbone("i3d_r50").expected_shapes())
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def workflow(folder: Path, weights: dict[str, torch.Tensor], **config: object) -> Workflow:
    made = Workflow(folder, {}, weights="weights.pth", clip_length=16, frequency=16, **config)
    torch.save(weights, folder / "weights.pth")
    made.video("test/normal").mkdir(parents=True)
    return made


def original_features(pictures: list[np.ndarray], weights: dict[str, torch.Tensor]) -> np.ndarray:
    """Centre crops, as the original scripts computed them: Pillow, float64 frames, the network as it is written."""
    network = I3DResNet50(nonlocal_blocks=False)
    network.load_state_dict(weights, strict=False)
    network.eval()
    sizes = (Image.fromarray(picture).resize((340, 256), Image.Resampling.LANCZOS) for picture in pictures)
    frames = np.stack([np.asarray(picture).astype(float) * 2 / 255 - 1 for picture in sizes])[:, 16:240, 58:282]
    with torch.no_grad():
        snippets = [
            network(torch.from_numpy(frames[start : start + 16].transpose(3, 0, 1, 2)[None]).float())
            for start in range(0, len(frames) - 15, 16)
        ]
    return torch.stack(snippets).reshape(len(snippets), 1, 2048).numpy()


def test_features_are_those_of_the_original_way(tmp_path, weights):
    """A variable-rate clip with sound, and one that has more pictures than a snippet only because of a pause."""
    made = workflow(tmp_path, weights, via_jpeg="true")
    phone, paused = made.video("test/normal/phone.mov"), made.video("test/normal/paused.mp4")
    jitter = "(N*40+17*sin(N*1.7)+9*mod(N*7,5)+if(gt(N,20),300))/1000"
    tone = ["-f", "lavfi", "-i", "sine=d=2"]
    ffmpeg(*timed(jitter, *X264, "-c:a", "aac", source=[*pattern(30, rate="25"), *tone]), phone)
    ffmpeg(*timed("(N+if(gt(N,5),20))/25", *X264, source=pattern(10, rate="25")), paused)
    made.run()
    rows = made.metadata()
    for path in (phone, paused):
        pictures = program_pictures(path)
        row = rows[f"test/normal/{path.name}"]
        assert (row["via_jpeg"], row["frames_decoded"], row["decoder"]) == ("True", str(len(pictures)), "pyav")
        features = np.load(made.feature(f"test/normal/{path.stem}.npy"))
        assert relative_error(features, original_features(pictures, weights)) < 1e-5
    assert rows["test/normal/paused.mp4"]["status"] == "ok"
    assert made.planned() == set()


def test_a_folder_of_the_original_scripts_pictures_gives_their_features(tmp_path, weights):
    """Whatever else is asked for; and it is done once."""
    made = workflow(tmp_path, weights)
    clip, folder = tmp_path / "clip.mov", made.video("test/normal/v1.2")
    folder.mkdir()
    ffmpeg(*timed("(N*40+17*sin(N*1.7))/1000", *X264, source=pattern(40, rate="25")), clip)
    ffmpeg("-i", clip, "-start_number", "0", folder / "%d.jpg")
    (folder / "Thumbs.db").write_bytes(b"x")
    pictures = [np.asarray(Image.open(folder / f"{number}.jpg")) for number in range(len(list(folder.glob("*.jpg"))))]
    made.run()
    row = made.metadata()["test/normal/v1.2"]
    assert (row["feature_file"], row["decoder"], row["status"]) == ("test/normal/v1.2.npy", "pillow", "ok")
    assert (row["frames_declared"], row["frames_decoded"], row["damaged"]) == (str(len(pictures)),) * 2 + ("",)
    assert relative_error(np.load(made.feature(row["feature_file"])), original_features(pictures, weights)) < 1e-5
    assert made.planned() == set()
    assert "Nothing to be done" in made.run("-n")
    before = made.feature(row["feature_file"]).read_bytes()
    folder.rename(folder.with_name("v3"))
    made.run()
    assert made.feature("test/normal/v3.npy").read_bytes() == before
    assert not made.feature(row["feature_file"]).exists()
    made.config["frame_folders"] = "false"
    ffmpeg(*pattern(20, rate="25"), *X264, made.video("test/normal/x.mp4"))
    assert made.planned() == {"test/normal/x.npy"}


def test_a_change_of_the_way_makes_features_due_and_the_old_default_does_not(tmp_path, weights):
    made = workflow(tmp_path, weights)
    ffmpeg(*pattern(20, rate="25"), *X264, made.video("test/normal/x.mp4"))
    made.run()
    assert made.metadata()["test/normal/x.mp4"]["via_jpeg"] == ""
    for way, due in (("false", set()), ("old_ffmpeg", {"test/normal/x.npy"})):
        made.config["via_jpeg"] = way
        assert made.planned() == due
    made.run()
    assert made.metadata()["test/normal/x.mp4"]["via_jpeg"] == "old_ffmpeg"
    made.config["fps"] = 30
    assert "'fps' and 'via_jpeg' exclude each other" in made.run(ok=False)


@pytest.mark.skipif(not GOLDEN.exists(), reason="real clips and their features lie beside some checkouts only")
def test_real_clips_have_the_original_scripts_features_through_jpeg(tmp_path, weights):
    """One as a folder of pictures, the other as the recording that it is."""
    made = workflow(tmp_path, weights, via_jpeg="true")
    folder, video = made.video("test/normal/normal_019"), Video(REAL / "normal_019.MP4")
    folder.mkdir()
    for number, file in enumerate(jpeg_files(video, video.decode(Faults(), PacketTimes(video).mend))):
        (folder / f"{number}.jpg").write_bytes(file)
    shutil.copy(REAL / "v_GGSY1Qvo990.mp4", made.video("test/normal"))
    made.run(cores=2)
    for name in ("v_GGSY1Qvo990", "normal_019"):
        features = np.load(made.feature(f"test/normal/{name}.npy"))
        assert relative_error(features, np.load(GOLDEN / f"{name}_center_crop_jpeg.npy")) < 1e-5, name


@pytest.mark.skipif(not GOLDEN.exists(), reason="real clips and their features lie beside some checkouts only")
@pytest.mark.parametrize(
    ("settings", "found"),
    [({"via_jpeg": "old_ffmpeg"}, "v_GGSY1Qvo990_center_crop_jpeg"), ({}, "v_GGSY1Qvo990_center_crop")],
)
def test_a_real_clip_has_the_original_scripts_features(tmp_path, weights, settings, found):
    made = workflow(tmp_path, weights, **settings)
    shutil.copy(REAL / "v_GGSY1Qvo990.mp4", made.video("test/normal"))
    made.run(cores=2)
    features = np.load(made.feature("test/normal/v_GGSY1Qvo990.npy"))
    assert relative_error(features, np.load(GOLDEN / f"{found}.npy")) < 1e-5
