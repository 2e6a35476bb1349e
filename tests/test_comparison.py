"""Two trees of features with a known difference: found, and put into the right words."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from i3d.comparison import as_text, cells, compare
from i3d.exports.crops import CROP_ORDERS
from tests.support.paths import SCRIPTS, SHARED
from tests.support.reference_inputs import GOLDEN

JPEG = SHARED / "reference/golden/v_GGSY1Qvo990_center_crop_jpeg.npy"
FRAMES = {"test/anomaly/a.npy": 165, "test/anomaly/b.npy": 230, "train/normal/c 1.npy": 96}


def features(frames, crops=10, dim=64, seed=0):
    """Features like real ones: positive, alike along time, crops alike."""
    rng = np.random.default_rng(seed)
    snippets = (frames - 16) // 16 + 1
    steps = np.cumsum(rng.normal(0, 0.3, (snippets, 1, dim)), axis=0) + rng.normal(0, 0.4, (1, crops, dim))
    return np.abs(1 + steps + rng.normal(0, 0.05, (snippets, crops, dim))).astype(np.float32)


@pytest.fixture
def trees(tmp_path):
    """Our tree, and a function that writes another one, each array changed."""
    ours = tmp_path / "ours"
    arrays = {name: features(frames, seed=seed) for seed, (name, frames) in enumerate(FRAMES.items())}
    for name, array in arrays.items():
        (ours / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(ours / name, array)

    def write(change, rename=lambda name: name):
        for name, array in arrays.items():
            path = tmp_path / "theirs" / rename(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, change(array))
        return ours, tmp_path / "theirs"

    return write


def words(ours, theirs):
    result = compare(ours, theirs, FRAMES)
    assert len(result.pairs) == 3 and not result.only_ours and not result.only_theirs
    return result, " / ".join(result.words)


def test_one_name_in_two_folders_is_two_recordings(tmp_path):
    for tree, name, seed in (("ours", "test/01", 0), ("theirs", "test/01", 0), ("theirs", "Train/01", 1)):
        path = tmp_path / tree / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, features(96, seed=seed))
    result = compare(tmp_path / "ours", tmp_path / "theirs")
    assert [(pair.video, pair.theirs.name) for pair in result.pairs] == [("test/01.npy", "test/01.npy")]
    assert result.only_theirs == ["Train/01.npy"]


def test_equal_trees_are_the_same(trees):
    result, text = words(*trees(lambda array: array, lambda name: name.replace(".npy", "_i3d.npy")))
    assert text == "relative distance 0, cosine 1.0000 (medians): as from the same numbers"
    assert [row[3] for row in cells(result)[1:]] == ["10", "14", "6"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (
            CROP_ORDERS["centre_first"],
            "order of crops: centre crop first; `crops: {order: centre_first}` writes them so",
        ),
        (CROP_ORDERS["tencrop"], "torchvision's order (corners, centre)"),
        ((5, 6, 7, 8, 9, 0, 1, 2, 3, 4), "order of crops: top left mirrored, top right mirrored"),
        ((0, 1, 2, 3, 4), "five crops, without the mirrored ones"),
        ((2, 0, 1, 3, 4), "five crops, without the mirrored ones / order of crops: centre crop first"),
        ((2,), "one crop: centre of ours"),
        ((7,), "one crop: centre mirrored of ours"),
    ],
)
def test_the_order_and_number_of_crops(trees, order, expected):
    result, text = words(*trees(lambda array: array[:, list(order)]))
    assert result.crops == tuple(order) and expected in text and text.endswith("as from the same numbers")


def test_crops_first_and_files_per_crop(trees, tmp_path):
    ours, theirs = trees(lambda array: array.swapaxes(0, 1))
    assert words(ours, theirs)[1].endswith("as from the same numbers")
    (tmp_path / "per_crop").mkdir()
    for name in FRAMES:
        array = np.load(ours / name)
        for crop in range(10):
            np.save(tmp_path / f"per_crop/{name.rpartition('/')[2][:-4]}__{crop}.npy", array[:, crop])
    assert words(ours, tmp_path / "per_crop")[1].endswith("as from the same numbers")


def test_a_tail_that_is_filled_up_instead_of_dropped(trees):
    """165 and 230 frames are no multiple of 16, 96 are."""

    def filled(array):
        return array if len(array) == 6 else np.concatenate([array, array[-1:] * 1.01])

    assert "numbers of snippets: the last frames filled up to a snippet, not dropped" in words(*trees(filled))[1]


def test_segments_frequency_and_offset(trees):
    def segments(array):
        return np.stack([part.mean(0) for part in np.array_split(np.repeat(array, 8, axis=0), 32)])

    assert "every video has 32 snippets: averaged or cut to a fixed number" in words(*trees(segments))[1]
    text = words(*trees(lambda array: np.repeat(array, 2, axis=0)))[1]
    assert "2 times as many snippets: a snippet every 8 frames" in text
    result, text = words(*trees(lambda array: array[2:]))
    assert [pair.offset for pair in result.pairs] == [
        2,
        2,
        2,
    ] and "their first snippet is our snippet 2 (3 videos)" in text
    assert "numbers of snippets differ by -2 (3)" in text and text.endswith("as from the same numbers")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (4e-4, "another precision, as fp16"),
        (3e-3, "another precision, as bf16"),
        (0.03, "frames through JPEG"),
        (0.52, "another normalization"),
        (2.0, "another network, other weights, or other videos"),
    ],
)
def test_the_size_of_the_distance(trees, size, expected):
    def disturbed(array):
        noise = np.random.default_rng(1).normal(0, 1, array.shape)
        return array + size * noise * np.linalg.norm(array) / np.linalg.norm(noise)

    result, text = words(*trees(disturbed))
    assert expected in text and result.pairs[0].distance == pytest.approx(size, rel=0.01)


def test_scaled_values(trees):
    assert "their values are ours times 0.5, in the same direction" in words(*trees(lambda array: array / 2))[1]
    assert "in the same direction" in words(*trees(lambda a: a / np.linalg.norm(a, axis=-1, keepdims=True)))[1]


def test_a_shift_of_size_that_comes_with_noise_is_no_scaling(trees):
    """As JPEG makes the features of a real clip: 0.978 times as long, and elsewhere by 0.006."""

    def through_jpeg(array):
        noise = np.random.default_rng(2).normal(0, 1, array.shape)
        return 0.978 * (array + 0.006 * noise * np.linalg.norm(array) / np.linalg.norm(noise))

    text = words(*trees(through_jpeg))[1]
    assert "frames through JPEG" in text and "in the same direction" not in text
    assert "their values are ours times 0.978, in the same direction" in words(*trees(lambda array: array * 0.978))[1]


@pytest.mark.skipif(not JPEG.exists(), reason="features of real clips lie beside some checkouts only")
def test_a_real_clip_through_jpeg(tmp_path):
    for name, source in (("ours", GOLDEN / "v_GGSY1Qvo990_center_crop.npy"), ("theirs", JPEG)):
        (tmp_path / name).mkdir()
        shutil.copy(source, tmp_path / name / "v.npy")
    (text,) = compare(tmp_path / "ours", tmp_path / "theirs").words
    assert "frames through JPEG" in text


def test_another_width_and_files_that_are_no_features(trees):
    ours, theirs = trees(lambda array: array[..., :32])
    result = compare(ours, theirs)
    assert result.words == ["nothing can be compared: 32 values wide, not 64 (3 videos)"]
    (theirs / "test/anomaly/a.npy").write_bytes(b"\x93NUMPY")
    np.save(theirs / "test/anomaly/b.npy", np.array([{}], dtype=object), allow_pickle=True)
    assert all("cannot be read" in pair.problem for pair in compare(ours, theirs).pairs[:2])


def test_flat_features_of_ours_are_one_crop(trees):
    ours, theirs = trees(lambda array: array[:, 0])
    for name in FRAMES:
        np.save(ours / name, np.load(ours / name)[:, 0])
    result, text = words(ours, theirs)
    assert text == "relative distance 0, cosine 1.0000 (medians): as from the same numbers"
    assert {row[4] for row in cells(result)[1:]} == {"1"}


def test_what_one_tree_lacks_and_what_is_another_recording(trees):
    ours, theirs = trees(lambda array: array)
    (theirs / "test/anomaly/a.npy").rename(theirs / "test/anomaly/z.npy")
    np.save(theirs / "test/anomaly/b.npy", features(230, seed=99))
    result = compare(ours, theirs, FRAMES)
    text = as_text(result)
    assert text[:3] == [
        "2 features in both trees, 2 of them compared",
        "only ours: 1 feature, test/anomaly/a.npy",
        "only theirs: 1 feature, test/anomaly/z.npy",
    ]
    assert cells(result)[-2][-1] == "the other tree lacks it" and cells(result)[-1][1] == "test/anomaly/z.npy"
    result = compare(*trees(lambda array: features(16 * len(array), seed=99) if len(array) == 14 else array), FRAMES)
    assert result.words[-1] == "much farther apart than the others: test/anomaly/b.npy; are they the same recordings?"


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ("center_crop", "center_crop_kinetics_norm", ["another normalization"]),
        ("oversample", "center_crop", ["one crop: centre of ours", "the same numbers"]),
        ("center_crop", "center_crop_nonlocal", ["another network, other weights"]),
    ],
)
def test_the_original_codes_features_under_different_settings(tmp_path, ours, theirs, expected):
    for name, golden in (("ours", ours), ("theirs", theirs)):
        (tmp_path / name).mkdir()
        shutil.copy(GOLDEN / f"synthetic_{golden}.npy", tmp_path / name / "v.npy")
    found = compare(tmp_path / "ours", tmp_path / "theirs").words
    assert len(found) == len(expected)
    assert all(words in text for words, text in zip(expected, found, strict=True)), found


def test_the_program_writes_a_table(trees, tmp_path):
    ours, theirs = trees(lambda array: array)
    command = [sys.executable, SCRIPTS / "compare.py", ours, theirs, "--output", tmp_path / "compare.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "3 features in both trees, 3 of them compared" in done.stdout and "the same numbers" in done.stdout
    assert (tmp_path / "compare.csv").read_text().splitlines()[0].startswith("feature,theirs,snippets,their_snippets")
    done = subprocess.run([*command[:3], tmp_path / "nowhere", *command[4:]], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1) and "there is no folder" in done.stderr
    done = subprocess.run([*command[:5], tmp_path / "x.mp4"], capture_output=True, text=True)
    assert done.stderr.endswith("x.mp4: the table is a .csv file; name one in --output\n")
