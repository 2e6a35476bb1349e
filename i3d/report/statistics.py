"""Compute the report's statistics: counts, feature magnitudes, outliers, neighbours across splits."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3d.errors import UserError
from i3d.exports.ground_truth import load
from i3d.records.record import FAILED, NOT_DONE, OK, SKIPPED, Row

STATUSES = (OK, SKIPPED, FAILED, NOT_DONE)
OUTLIER_Z = 3.5  # as robust_z's authors advise
FEW = 5  # videos; the spread of fewer means nothing
BLOCK = 1024  # videos per matrix product: bounds its memory
SAMPLE = 1000  # videos from which `whitening` learns
FLOOR = 0.001  # of the total variance, see `whitening`; chosen with bench/near_copies.py
SNIPPETS = 256  # read at once: bounds the memory for a long video


@dataclass(frozen=True)
class Statistics:
    """Pooled features, float32 (videos, dim), and mean L2 norms, float64 (videos,), in the order of `rows`."""

    rows: list[Row]
    pooled: np.ndarray
    magnitude: np.ndarray


@dataclass(frozen=True)
class Outlier:
    """A video whose magnitude lies far from its subset's; `z` is infinite for features that are not finite."""

    row: Row
    magnitude: float
    z: float

    @property
    def is_not_finite(self) -> bool:
        return not np.isfinite(self.magnitude)


@dataclass(frozen=True)
class Neighbour:
    """A video and the most similar one of the other splits."""

    video: Row
    nearest: Row
    similarity: float


def status_counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Videos per subset and status, subsets sorted by path."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(STATUSES, 0))
    for row in rows:
        counts[row.subset][row.status] += 1
    return dict(sorted(counts.items()))


def largest_subsets(rows: Iterable[Row], most: int) -> list[str]:
    """The names of the `most` subsets with most videos, sorted."""
    sizes = Counter(row.subset for row in rows)
    return sorted(sorted(sizes, key=lambda name: (-sizes[name], name))[:most])


def duration(row: Row) -> float | None:
    """Seconds of video, from the decoded frames and their rate."""
    return row.frames_decoded / row.frame_rate if row.frames_decoded and row.frame_rate else None


def measure(rows: Iterable[Row], features: Path, threads: int = 1) -> Statistics:
    """Read every feature once: its mean over snippets and crops, and the mean L2 norm of its vectors.

    Raises UserError for a listed feature that is gone, unreadable or of another width.
    """
    finished = [row for row in rows if row.status == OK]
    with ThreadPoolExecutor(threads) as pool:
        measured = list(pool.map(lambda row: _measure(features / row.feature_file), finished))
    widths = {len(mean) for mean, _ in measured}
    if len(widths) > 1:
        raise UserError(f"{features}: features of different widths; extract all with one model")
    pooled = np.array([mean for mean, _ in measured], np.float32).reshape(len(finished), *(widths or {0}))
    return Statistics(finished, pooled, np.array([norm for _, norm in measured], np.float64))


def _measure(path: Path) -> tuple[np.ndarray, float]:
    array = load(path)
    total, norms = np.zeros(array.shape[-1]), 0.0
    for start in range(0, len(array), SNIPPETS):
        block = np.asarray(array[start : start + SNIPPETS])
        total += block.sum(axis=(0, 1), dtype=np.float64)
        norms += float(np.linalg.norm(block, axis=2).sum(dtype=np.float64))
    vectors = array.shape[0] * array.shape[1]
    return (total / vectors).astype(np.float32), norms / vectors


def robust_z(values: np.ndarray) -> np.ndarray:
    """0.6745 (x - median) / MAD, a z-score in which outliers do not hide themselves (Iglewicz and Hoaglin 1993).

    If the MAD is 0, the mean absolute deviation times 1.2533 replaces it; zeros if all values are equal.
    """
    away = values - np.median(values)
    spread = np.median(np.abs(away)) / 0.6745 or np.mean(np.abs(away)) * 1.2533
    return away / spread if spread else np.zeros_like(away)


def outliers(statistics: Statistics) -> list[Outlier]:
    """Find videos with |robust z| above 3.5 within their subset, or with features that are not finite; worst first."""
    found = []
    for subset in {row.subset for row in statistics.rows}:
        places = np.array([place for place, row in enumerate(statistics.rows) if row.subset == subset])
        values = statistics.magnitude[places]
        z = np.full(len(values), np.inf)
        finite = np.isfinite(values)
        z[finite] = robust_z(values[finite]) if finite.sum() >= FEW else 0
        found += [
            Outlier(statistics.rows[place], float(value), float(score))
            for place, value, score in zip(places, values, z, strict=True)
            if abs(score) > OUTLIER_Z
        ]
    return sorted(found, key=lambda outlier: (-abs(outlier.z), outlier.row.video))


def neighbours(statistics: Statistics, split: str = "test") -> list[Neighbour]:
    """Find the most similar video of all other splits for each video of `split`; most similar pairs first.

    A video of no split is in no list, and not compared.
    Similarity is the cosine of pooled features, whitened by the other splits (see `whitening`): otherwise features
    common to all videos, and the few directions in which all differ, like brightness, bring unrelated ones near 1.
    """
    asked = [place for place, row in enumerate(statistics.rows) if row.split == split]
    others = [place for place, row in enumerate(statistics.rows) if row.split not in (split, "")]
    if not asked or not others:
        return []
    mean, projection = whitening(statistics.pooled[others])
    known = _directions(statistics.pooled[others], mean, projection)
    pairs = []
    for start in range(0, len(asked), BLOCK):
        places = asked[start : start + BLOCK]
        similarity = _directions(statistics.pooled[places], mean, projection) @ known.T
        best = similarity.argmax(axis=1)
        pairs += [
            Neighbour(statistics.rows[place], statistics.rows[others[column]], float(row[column]))
            for place, column, row in zip(places, best, similarity, strict=True)
        ]
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.video.video))


def whitening(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean (dim,) and a projection (dim, components), both float32, that make (vectors - mean) @ projection white.

    The principal components are each divided by the root of their variance plus FLOOR of the total variance, which
    keeps noise small. Computed from SAMPLE finite vectors, evenly spread.
    """
    sample = vectors[np.isfinite(vectors).all(axis=1)]
    sample = sample[np.linspace(0, len(sample) - 1, min(len(sample), SAMPLE)).round().astype(int)]
    if not len(sample):
        return np.zeros(vectors.shape[1], np.float32), np.zeros((vectors.shape[1], 0), np.float32)
    mean = sample.mean(axis=0, dtype=np.float64)
    _, spread, components = np.linalg.svd(sample - mean, full_matrices=False)
    variance = spread**2 / len(sample)
    total = variance.sum()
    kept = variance > 1e-9 * total
    scale = np.sqrt(variance[kept] + FLOOR * total)
    return mean.astype(np.float32), (components[kept].T / scale).astype(np.float32)


def _directions(vectors: np.ndarray, mean: np.ndarray, projection: np.ndarray) -> np.ndarray:
    """Whitened rows, scaled to length 1; zero, similar to nothing, for a row that is not finite or equals the mean."""
    finite = np.isfinite(vectors).all(axis=1)
    white = np.zeros((len(vectors), projection.shape[1]), np.float32)
    white[finite] = (vectors[finite] - mean) @ projection
    return white / np.maximum(np.linalg.norm(white, axis=1, keepdims=True), np.finfo(np.float32).tiny)
