"""What the report computes from the table and the features."""

import numpy as np
import pytest

from i3d.errors import UserError
from i3d.report import statistics as insight
from tests.support.rows import row


def statistics(vectors, magnitude=None):
    """Statistics of videos given as {path: pooled feature}."""
    pooled = np.array(list(vectors.values()), np.float32)
    magnitude = np.linalg.norm(pooled, axis=1) if magnitude is None else np.array(magnitude, float)
    return insight.Statistics([row(video) for video in vectors], pooled, magnitude)


def test_counts_are_per_folder_and_status():
    rows = [row("t/b/1.mp4"), row("t/a/2.mp4", "skipped"), row("t/a/3.mp4"), row("t/a/4.mp4"), row("5.mp4", "failed")]
    rows.append(row("t/b/6.mp4", "not done"))
    assert insight.status_counts(rows) == {
        ".": {"ok": 0, "skipped": 0, "failed": 1, "not done": 0},
        "t/a": {"ok": 2, "skipped": 1, "failed": 0, "not done": 0},
        "t/b": {"ok": 1, "skipped": 0, "failed": 0, "not done": 1},
    }
    assert list(insight.status_counts(rows)) == [".", "t/a", "t/b"]


def test_duration_takes_the_rate_that_frames_were_counted_at():
    assert insight.duration(row("a/b/x.mp4", frames=60, fps=30.0)) == 2
    assert insight.duration(row("a/b/x.mp4", frames=60, fps=30.0, resample_fps=15.0)) == 4
    assert insight.duration(row("a/b/x.mp4", frames=60)) is None


def test_measure_pools_snippets_and_crops_and_averages_norms(tmp_path):
    feature = np.zeros((2, 10, 4), np.float32)
    feature[0, :, 0] = 3  # norm 3
    feature[1, :, 0], feature[1, :, 1] = 4, 3  # norm 5
    (tmp_path / "t/a").mkdir(parents=True)
    np.save(tmp_path / "t/a/x.npy", feature)
    measured = insight.measure([row("t/a/x.mp4"), row("t/a/y.mp4", "failed")], tmp_path)
    assert [each.video for each in measured.rows] == ["t/a/x.mp4"]
    assert measured.pooled.tolist() == [[3.5, 1.5, 0, 0]]
    assert measured.magnitude.tolist() == [4]


def test_measure_names_a_feature_that_is_gone_or_of_another_width(tmp_path):
    with pytest.raises(UserError, match=r"x\.npy: gone"):
        insight.measure([row("t/x.mp4")], tmp_path)
    (tmp_path / "t").mkdir()
    np.save(tmp_path / "t/x.npy", np.zeros((1, 10, 4), np.float32))
    np.save(tmp_path / "t/y.npy", np.zeros((1, 10, 5), np.float32))
    with pytest.raises(UserError, match="different widths"):
        insight.measure([row("t/x.mp4"), row("t/y.mp4")], tmp_path)


def test_robust_z_is_not_moved_by_the_outlier_it_finds():
    values = np.array([10, 11, 9, 10.5, 9.5, 1000])
    assert insight.robust_z(values)[-1] == pytest.approx(0.6745 * (1000 - 10.25) / 0.75)
    assert insight.robust_z(np.array([2.0, 2, 2])).tolist() == [0, 0, 0]
    # More than half equal: the mean deviation, 10/6, takes over.
    assert insight.robust_z(np.array([0.0, 0, 0, 0, 0, 10]))[-1] == pytest.approx(10 / (1.2533 * 10 / 6))


def test_outliers_are_judged_within_their_subset_and_sorted():
    videos = [f"t/a/{number}.mp4" for number in range(7)] + [f"t/b/{number}.mp4" for number in range(7)]
    magnitude = [*(10, 10.1, 9.9, 10.2, 9.8, 10, 14), *(14, 14.1, 13.9, 14.2, 13.8, 14, 4)]
    vectors = {video: [0] for video in videos}
    found = insight.outliers(statistics(vectors, magnitude))
    assert [(outlier.row.video, outlier.magnitude) for outlier in found] == [("t/b/6.mp4", 4), ("t/a/6.mp4", 14)]
    assert found[0].z < -insight.OUTLIER_Z and found[1].z > insight.OUTLIER_Z


def test_features_that_are_not_finite_stand_out_even_in_a_small_subset():
    found = insight.outliers(statistics({"t/a/1.mp4": [0], "t/a/2.mp4": [0], "t/a/3.mp4": [0]}, [1, np.nan, 100]))
    assert [(outlier.row.video, outlier.z) for outlier in found] == [("t/a/2.mp4", np.inf)]


def tree(videos=60, dim=64, brightness=3.0, seed=0):
    """Vectors by path of a training split: noise on what all have in common, and one direction that dwarfs it."""
    random = np.random.default_rng(seed)
    common, bright = random.normal(10, 1, dim), random.normal(0, 1, dim)
    vectors = common + random.normal(0, 1, (videos, dim)) + brightness * random.normal(0, 1, (videos, 1)) * bright
    return {f"train/a/{place}.mp4": vector for place, vector in enumerate(vectors)}, common, bright


def test_a_copy_is_found_and_other_videos_are_not_brought_near_by_what_all_share():
    known, common, bright = tree()
    random = np.random.default_rng(1)
    copies = {f"test/a/copy{n}.mp4": known[f"train/a/{n}.mp4"] + random.normal(0, 0.1, 64) for n in range(5)}
    strangers = {f"test/a/{n}.mp4": common + random.normal(0, 1, 64) + 2 * (n - 4.5) * bright for n in range(10)}
    pairs = insight.neighbours(statistics(known | copies | strangers))
    assert len(pairs) == 15 and all(pair.nearest.split == "train" for pair in pairs)
    assert {pair.video.video: pair.nearest.video for pair in pairs[:5]} == {
        f"test/a/copy{n}.mp4": f"train/a/{n}.mp4" for n in range(5)
    }
    assert pairs[4].similarity > 0.9 and pairs[5].similarity < 0.7
    plain = np.array(list(known.values())) - np.mean(list(known.values()), axis=0)
    stranger = strangers["test/a/9.mp4"] - np.mean(list(known.values()), axis=0)
    assert max(plain @ stranger / np.linalg.norm(plain, axis=1) / np.linalg.norm(stranger)) > 0.9  # without whitening
    assert [pair.similarity for pair in pairs] == sorted((pair.similarity for pair in pairs), reverse=True)


def test_whitening_gives_every_strong_component_the_same_spread():
    vectors = np.random.default_rng(2).normal(size=(500, 6)).astype(np.float32) * [100, 10, 10, 10, 1e-3, 0]
    mean, projection = insight.whitening(vectors)
    spread = ((vectors - mean) @ projection).std(axis=0)
    assert spread[:4] == pytest.approx([1] * 4, rel=0.06)  # 100s and 10s alike
    assert (spread[4:] < 0.01).all()  # noise stays small
    vectors[3, 0] = np.nan
    assert np.isfinite(insight.whitening(vectors)[1]).all()


def test_neighbours_leave_out_what_is_not_finite_and_need_two_splits():
    vectors = {"test/a.mp4": [1.0, 2], "train/b.mp4": [np.inf, 0], "train/c.mp4": [1.0, 2.5], "train/d.mp4": [0, 0]}
    (pair,) = insight.neighbours(statistics(vectors))
    assert pair.nearest.video == "train/c.mp4" and np.isfinite(pair.similarity)
    assert insight.neighbours(statistics({"train/a.mp4": [1.0], "val/b.mp4": [1.0]})) == []
    assert insight.neighbours(statistics({"test/a.mp4": [1.0], "test/b.mp4": [1.0]})) == []


def test_a_video_of_no_split_is_no_neighbour():
    vectors = {"test/a.mp4": [1.0, 2], "uncovered.mp4": [1.0, 2], "train/c.mp4": [1.0, 0], "train/d.mp4": [0.0, 1]}
    (pair,) = insight.neighbours(statistics(vectors))
    assert pair.nearest.video.startswith("train/")


def test_neighbours_do_not_depend_on_the_block_size(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(40, 8))
    named = {f"{'test' if place % 2 else 'train'}/a/{place}.mp4": vector for place, vector in enumerate(vectors)}
    whole = insight.neighbours(statistics(named))
    monkeypatch.setattr(insight, "BLOCK", 3)
    pieces = insight.neighbours(statistics(named))
    assert [(a.video, a.nearest) for a in whole] == [(b.video, b.nearest) for b in pieces] and len(whole) == 20
