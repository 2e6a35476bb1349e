"""Contact sheets: a few frames of each subset as the network saw them, with the crops outlined."""

import contextlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from i3d import quantities
from i3d.decoding.held_file import UnreadableError
from i3d.decoding.pictures import rgb_frames
from i3d.decoding.resize import resize
from i3d.records.record import OK, Row
from i3d.report import figures, statistics
from i3d.specs import CROP, FIVE_CROPS, HEIGHT, WIDTH

# One per crop of FIVE_CROPS. Crops side by side share edges: where one is dashed, both colours show.
COLOURS = ("#e4572e", "#f3a712", "#ffffff", "#29bf12", "#2ec4ff")
DASHES = ("-", (0, (4, 4)), "-", (0, (4, 4)), "-")
# Of a crop's number within the crop, one per crop, and how far in it lies.
ALIGNMENTS = (("left", "top"), ("right", "top"), ("center", "center"), ("left", "bottom"), ("right", "bottom"))
INSETS = {"left": 8, "top": 8, "center": CROP // 2, "right": CROP - 8, "bottom": CROP - 8}
SHOWN = 6  # videos on a sheet
SHEETS = 40  # at most, of the subsets with most videos
TOP = "videos in no folder"  # the name of the subset of videos at the top of the tree
REACH = 1500  # frames decoded at most per video: a sheet must not decode an hour of film
MOMENTS = (0.1, 0.5, 0.9)  # places of the three frames


def largest_subsets(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each subset that gets a sheet, sorted by name."""
    return {name: [row for row in rows if row.subset == name] for name in statistics.largest_subsets(rows, SHEETS)}


def pick(rows: Sequence[Row]) -> list[Row]:
    """Choose up to six videos with features, evenly spread over the sorted list."""
    finished = sorted((row for row in rows if row.status == OK), key=lambda row: row.video)
    places = np.linspace(0, len(finished) - 1, min(SHOWN, len(finished))).round()
    return [finished[int(place)] for place in places]


def decode(path: Path) -> Iterator[np.ndarray]:
    """Decode frames, uint8 (height, width, 3) RGB, in order; none if the file is gone or no video."""
    with contextlib.suppress(UnreadableError, OSError):
        yield from rgb_frames(path)


def frames_at(path: Path, places: Sequence[int]) -> list[np.ndarray]:
    """The frames at these places, uint8 (256, 340, 3), resized as for the network; fewer if decoding ends early."""
    frames = islice(decode(path), max(places) + 1)
    return [resize(frame) for place, frame in enumerate(frames) if place in places]


def sheet(subset: str, rows: Sequence[Row], videos: Path) -> Figure:
    """Draw a line per video: three plain frames, then the middle one with its crops, straight and mirrored."""
    shown = pick(rows)
    crops = max((row.crops or 1 for row in shown), default=1)
    columns = len(MOMENTS) + (2 if crops == 10 else 1)
    height = 0.85 + 1.75 * len(shown)
    total = sum(row.status == OK for row in rows)
    note = f"{len(shown)} of {total} videos, frames resized to {WIDTH}x{HEIGHT}; crops numbered as in the feature files"
    figure = figures.blank(subset if subset != "." else TOP, note, columns * 2.15 + 0.2, height)
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for line, row in zip(grid, shown, strict=True):
        _line(line, row, videos)
    return figure


def _line(line: np.ndarray, row: Row, videos: Path) -> None:
    crops = row.crops or 1
    for axes in line:
        axes.axis("off")
    reach = min(row.frames_decoded or REACH, REACH)
    places = [int(moment * (reach - 1)) for moment in MOMENTS]
    frames = frames_at(videos / row.video, places)
    name = row.video.rpartition("/")[2]
    line[0].set_title(
        f"{name}, {quantities.count(row.snippets or 0, 'snippet')}", fontsize=9, loc="left", color=figures.INK
    )
    for axes, frame, place in zip(line, frames, places, strict=False):  # a damaged video may give fewer frames
        axes.imshow(frame)
        axes.text(6, HEIGHT - 8, f"frame {place}", fontsize=7, color="white", path_effects=_outline())
    if frames:
        middle = frames[len(frames) // 2]
        boxes = range(5) if crops == 10 else [2]
        _draw_crops(line[len(MOMENTS)], middle, {place: place if crops == 10 else 0 for place in boxes})
        if crops == 10:
            _draw_crops(line[len(MOMENTS) + 1], middle[:, ::-1], {place: place + 5 for place in boxes})


def _draw_crops(axes: Axes, frame: np.ndarray, numbers: dict[int, int]) -> None:
    """Outline crops by corner, each with its number in its own corner."""
    axes.imshow(frame)
    for corner, number in numbers.items():
        (y, x), colour = FIVE_CROPS[corner], COLOURS[corner]
        box = Rectangle((x, y), CROP - 1, CROP - 1, fill=False, edgecolor=colour, linewidth=1.6)
        box.set(linestyle=DASHES[corner], zorder=2 + (DASHES[corner] != "-"))
        axes.add_patch(box)
        across, down = ALIGNMENTS[corner]
        text = axes.text(x + INSETS[across], y + INSETS[down], str(number), ha=across, va=down)
        text.set(fontsize=10, fontweight="bold", color=colour, path_effects=_outline())


def _outline() -> list:
    return [withStroke(linewidth=2, foreground="black")]
