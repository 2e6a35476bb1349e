"""Comparing two trees of features: what is missing, how far apart the numbers are, and what would explain it.

Only the numbers are used. The typical sizes of differences are those measured in docs/features.md.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from i3d.datasets.matching import VideoIndex
from i3d.exports.crops import CROP_ORDERS
from i3d.exports.ground_truth import open_array
from i3d.quantities import count, named

OFFSETS = tuple(sorted(range(-4, 5), key=abs))  # snippets
SAMPLED = 64  # snippets compared per video, evenly over it
FEWEST, GAIN = 3, 1e-4  # snippets, and gain in cosine, that another offset needs
SAME, CLOSE = 1e-4, 0.99  # relative distance, cosine
SCALED = 0.1  # share of the distance that scaling may leave to explain it
KINETICS = 127.5 / 57.375  # ratio of the network's inputs under `normalization: kinetics` to those under `inception`
CROP_FILE = re.compile(r"(.+)__(\d{1,2})\.npy")
CROP_NAMES = ("top left", "top right", "centre", "bottom left", "bottom right")
KNOWN_ORDERS = {"tencrop": "torchvision's order (corners, centre)", "centre_first": "centre crop first"}
# Relative distances caused by a single difference, from docs/features.md, with room on both sides.
SIZES = (
    (SAME, "the same numbers"),
    (1e-3, "another precision, as fp16 or tf32 (0.0004 was measured for fp16)"),
    (1e-2, "another precision, as bf16 (0.003 was measured)"),
    (1.2e-1, "frames through JPEG or another encoding on the way (0.015 to 0.07 was measured)"),
    (3.5e-1, "no difference of one setting that was measured; perhaps another resize, or other frames"),
    (7e-1, "another normalization (0.52 was measured between inception and kinetics)"),
    (math.inf, "another network, other weights, or other videos"),
)


@dataclass(frozen=True)
class Feature:
    """A feature of a tree: a file, or a file per crop in the order of crops. A flat array is one crop."""

    name: str
    files: tuple[Path, ...]

    def load(self, crops_first: bool = False) -> np.ndarray:
        """Return a float array (snippets, crops, dim). Raises OSError or ValueError for anything but a feature."""
        arrays = [open_array(path) for path in self.files]
        array = arrays[0] if len(arrays) == 1 else np.stack(arrays, axis=1)
        if array.ndim == 2:
            array = array[:, None]
        if array.ndim != 3 or not array.size:
            raise ValueError(f"an array of the shape {array.shape} is no feature")
        return array.swapaxes(0, 1) if crops_first else array


@dataclass
class Pair:
    """A video in both trees. `offset`: their snippet 0 is our snippet `offset`."""

    video: str
    ours: Feature
    theirs: Feature
    frames: int | None = None
    our_shape: tuple[int, ...] = ()
    their_shape: tuple[int, ...] = ()
    offset: int = 0
    cosine: float | None = None
    distance: float | None = None  # relative, in the best-fitting order of crops
    scale: float | None = None  # of theirs, by least squares
    problem: str = ""


@dataclass
class Comparison:
    """What both trees hold, video by video, and what each of them lacks."""

    pairs: list[Pair]
    only_ours: list[str]
    only_theirs: list[str]
    crops: tuple[int, ...] = ()  # for each of their crops, the most similar one of ours
    words: list[str] = field(default_factory=list)


def compare(
    ours: Path, theirs: Path, frames: Mapping[str, int | None] | None = None, frequency: int = 16
) -> Comparison:
    """Compare the features below two folders by name; `frames` are decoded frames by feature of ours, where known."""
    own = dict(_arrays_below(ours))
    others = {other.name: other for other in _find_features(theirs)}
    pairs: dict[str, Pair] = {}
    only_theirs = []
    for name, fits in VideoIndex(own).find_each(others).items():
        if len(fits) == 1 and fits[0] not in pairs:
            pairs[fits[0]] = Pair(fits[0], Feature(fits[0], (own[fits[0]],)), others[name], (frames or {}).get(fits[0]))
        else:
            only_theirs.append(name)
    result = Comparison(list(pairs.values()), [name for name in own if name not in pairs], only_theirs)
    crops_first = _are_crops_first(pair.theirs for pair in result.pairs)
    similarities = [found for pair in result.pairs if (found := _align(pair, crops_first)) is not None]
    if similarities:
        (shape, _), *_ = Counter(matrix.shape for matrix in similarities).most_common(1)
        alike = [matrix for matrix in similarities if matrix.shape == shape]
        result.crops = tuple(np.mean(alike, axis=0).argmax(axis=1).tolist())
        for pair in result.pairs:
            _measure(pair, crops_first, result.crops)
    result.words = list(_explanations(result, frequency))
    return result


def _arrays_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the .npy files below a folder, with their names there; hidden files and folders are left out."""
    for path in sorted(folder.rglob("*.npy")):
        name = path.relative_to(folder)
        if not any(part.startswith(".") for part in name.parts):
            yield str(name), path


def _find_features(folder: Path) -> list[Feature]:
    """Return the features below a folder; files `x__0.npy`, `x__1.npy` ... are one feature."""
    crops: dict[str, dict[int, Path]] = defaultdict(dict)
    features = []
    for name, path in _arrays_below(folder):
        if match := CROP_FILE.fullmatch(path.name):
            crops[str(PurePosixPath(name).with_name(match[1]))][int(match[2])] = path
        else:
            features.append(Feature(name, (path,)))
    return features + [Feature(name, tuple(own[number] for number in sorted(own))) for name, own in crops.items()]


def _are_crops_first(features: Iterable[Feature]) -> bool:
    """Whether all features have 5 or 10 crops along their first axis, and not all along their second."""
    shapes = []
    for each in features:
        try:
            shapes.append(each.load().shape)
        except (OSError, ValueError):
            continue
    first, second = ({shape[axis] for shape in shapes} for axis in (0, 1))
    return len(first) == 1 and first <= {5, 10} and not second <= {1, 5, 10}


def _align(pair: Pair, crops_first: bool) -> np.ndarray | None:
    """Note shapes and best offset of a pair, and return the cosines (their crop, our crop); None for a problem."""
    try:
        one = pair.ours.load()
        other = pair.theirs.load(crops_first)
    except (OSError, ValueError) as error:
        pair.problem = f"cannot be read ({str(error).splitlines()[0]})"
        return None
    pair.our_shape, pair.their_shape = one.shape, other.shape
    if one.shape[2] != other.shape[2]:
        pair.problem = f"{other.shape[2]} values wide, not {one.shape[2]}"
        return None
    means = [np.asarray(array, np.float32).mean(axis=1) for array in (one, other)]
    cosines = {}
    for offset in OFFSETS:
        places = _places(len(means[0]), len(means[1]), offset)
        if len(places) >= (1 if offset == 0 else FEWEST):
            cosines[offset] = float(_cosines(means[0][places], means[1][places - offset]).mean())
    best = max(cosines, key=lambda offset: cosines[offset])
    pair.offset = best if cosines[best] > cosines[0] + GAIN else 0
    places = _places(len(one), len(other), pair.offset)
    a, b = np.asarray(one[places], np.float32), np.asarray(other[places - pair.offset], np.float32)
    return np.array([[_cosines(b[:, theirs], a[:, ours]).mean() for ours in range(a.shape[1])]
                     for theirs in range(b.shape[1])])  # fmt: skip


def _places(ours: int, theirs: int, offset: int) -> np.ndarray:
    """Return our snippets that have a counterpart, SAMPLED of them at most."""
    first, end = max(0, offset), min(ours, theirs + offset)
    if end <= first:
        return np.array([])
    return np.unique(np.linspace(first, end - 1, min(SAMPLED, end - first)).astype(int))


def _measure(pair: Pair, crops_first: bool, crops: Sequence[int]) -> None:
    """Note cosine, relative distance and scale of a pair, with `crops` of ours beside theirs."""
    if pair.problem or pair.their_shape[1] != len(crops) or max(crops) >= pair.our_shape[1]:
        pair.problem = pair.problem or f"{pair.their_shape[1]} crops, unlike the others"
        return
    one, other = pair.ours.load(), pair.theirs.load(crops_first)
    places = _places(len(one), len(other), pair.offset)
    a = np.asarray(one[places], np.float64)[:, list(crops)]
    b = np.asarray(other[places - pair.offset], np.float64)
    pair.cosine = float(_cosines(a, b).mean())
    pair.distance = float(np.linalg.norm(a - b)) / max(float(np.linalg.norm(a)), 1e-12)
    pair.scale = float((a * b).sum() / max((a * a).sum(), 1e-12))


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the cosines between vectors along the last axis."""
    lengths: np.ndarray = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return (one * other).sum(axis=-1) / np.maximum(lengths, 1e-12)


def _explanations(result: Comparison, frequency: int) -> Iterator[str]:
    """Say in words what the numbers reveal about the recipe of the other tree."""
    compared = [pair for pair in result.pairs if pair.distance is not None]
    if not compared:
        for problem, number in Counter(pair.problem for pair in result.pairs).most_common(1):
            yield f"nothing can be compared: {problem} ({count(number, 'video')})"
        return
    yield from _crops_in_words(result.crops, compared[0].our_shape[1])
    if counts := _counts_in_words(compared, frequency):
        yield counts
    offsets = Counter(pair.offset for pair in compared)
    if set(offsets) != {0}:
        shifts = [f"{offset} ({count(number, 'video')})" for offset, number in offsets.items()]
        yield f"their first snippet is our snippet {named(shifts)}"
    distance, cosine, scale = (
        float(np.median([getattr(pair, name) for pair in compared])) for name in ("distance", "cosine", "scale")
    )
    left = math.sqrt(max(0.0, 1 - cosine**2))  # as a relative distance
    if distance > SAME and cosine > CLOSE and left < SCALED * distance:
        text = f"their values are ours times {scale:.3g}, in the same direction (cosine {cosine:.5f}): scaled"
        if any(abs(scale / ratio - 1) < 0.1 for ratio in (KINETICS, 1 / KINETICS)):
            text += f", as by another normalization (inputs of kinetics are {KINETICS:.2f} times those of inception)"
        yield text
        return
    words = next(text for size, text in SIZES if distance <= size)
    yield f"relative distance {distance:.2g}, cosine {cosine:.4f} (medians): as from {words}"
    if far := [pair.video for pair in compared if (pair.distance or 0) > max(10 * distance, 0.1)]:
        yield f"much farther apart than the others: {named(far)}; are they the same recordings?"


def _crops_in_words(crops: Sequence[int], ours: int) -> Iterator[str]:
    if list(crops) == list(range(ours)):
        return
    if len(crops) == 1:
        yield f"one crop: {_crop_name(crops[0])} of ours"
        return
    if len(crops) == 5 and all(crop < 5 for crop in crops):
        yield "five crops, without the mirrored ones"
    order = next((name for name, order in CROP_ORDERS.items() if tuple(crops) == tuple(order[: len(crops)])), "")
    if len(set(crops)) < len(crops):
        yield "their crops do not correspond to ours one to one, as from other crops or nearly equal ones"
    elif order in KNOWN_ORDERS:
        yield f"order of crops: {KNOWN_ORDERS[order]}; `crops: {{order: {order}}}` writes them so"
    elif not order:
        yield f"order of crops: {', '.join(map(_crop_name, crops))}"


def _crop_name(crop: int) -> str:
    return CROP_NAMES[crop % 5] + (" mirrored" if crop >= 5 else "")


def _counts_in_words(compared: Sequence[Pair], frequency: int) -> str | None:
    """Explain how their numbers of snippets differ from ours; None if they do not."""
    numbers = [(pair.our_shape[0], pair.their_shape[0]) for pair in compared]
    if all(ours == theirs for ours, theirs in numbers):
        return None
    theirs = {other for _, other in numbers}
    if len(theirs) == 1 and len({ours for ours, _ in numbers}) > 1:
        return f"every video has {theirs.pop()} snippets: averaged or cut to a fixed number of segments"
    known = [(pair.frames, pair.their_shape[0]) for pair in compared if pair.frames]
    rules = {
        "the last frames filled up to a snippet, not dropped": lambda frames: math.ceil(frames / frequency),
        "one snippet less than the frames hold": lambda frames: (frames - frequency) // frequency,
        "one snippet more than the frames hold": lambda frames: frames // frequency + 1,
    }
    for words, rule in rules.items():
        if known and len(known) == len(compared) and all(rule(frames) == number for frames, number in known):
            return f"numbers of snippets: {words}"
    ratios: list[float] = sorted(other / ours for ours, other in numbers if ours >= 8)
    if ratios and (ratios[0] > 1.5 or ratios[-1] < 0.7):
        median = ratios[len(ratios) // 2]
        return f"{median:.2g} times as many snippets: a snippet every {frequency / median:.0f} frames"
    differences = Counter(other - ours for ours, other in numbers)
    if set(differences) <= {0, 1}:
        return "up to one snippet more: the last frames were probably filled up, not dropped"
    found = ", ".join(f"{difference:+d} ({number})" for difference, number in sorted(differences.items()))
    return f"numbers of snippets differ by {found}: other frames, or another rule"


COLUMNS = (
    *("feature", "theirs", "snippets", "their_snippets", "crops", "their_crops", "dim", "their_dim"),
    *("offset", "cosine", "distance", "scale", "problem"),
)


def cells(result: Comparison) -> list[list[str]]:
    """Return the comparison as a table: a header, a line per video, and a line for what one tree lacks."""
    rows = [list(COLUMNS)]
    for pair in result.pairs:
        ours, theirs = (list(map(str, shape or [""] * 3)) for shape in (pair.our_shape, pair.their_shape))
        shapes = [size for both in zip(ours, theirs, strict=True) for size in both]
        numbers = [f"{value:.6g}" if value is not None else "" for value in (pair.cosine, pair.distance, pair.scale)]
        rows.append([pair.video, pair.theirs.name, *shapes, str(pair.offset), *numbers, pair.problem])
    blank = [""] * (len(COLUMNS) - 3)
    rows += [[name, "", *blank, "the other tree lacks it"] for name in result.only_ours]
    rows += [["", name, *blank, "our tree lacks it, or its name fits several"] for name in result.only_theirs]
    return rows


def as_text(result: Comparison) -> list[str]:
    """Return the comparison in a few lines."""
    compared = [pair for pair in result.pairs if pair.distance is not None]
    text = [f"{count(len(result.pairs), 'feature')} in both trees, {len(compared):,} of them compared"]
    for words, names in (("only ours", result.only_ours), ("only theirs", result.only_theirs)):
        if names:
            text.append(f"{words}: {count(len(names), 'feature')}, {named(names)}")
    problems = [f"not compared: {pair.video}: {pair.problem}" for pair in result.pairs if pair.problem]
    return text + problems[:5] + result.words
