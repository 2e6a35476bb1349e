"""Whose features a features tree holds: those of this run's videos, or of another tree's."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from i3d.digests import video_digest
from i3d.errors import UserError
from i3d.files import read_file, read_json, write_atomically
from i3d.planning.tree import printable
from i3d.records.record import OK, VideoRecord
from i3d.records.work_folder import WorkFolder

LOOKED_AT = 64  # videos of a tree whose content decides whether two trees are one
OLDER = ""  # the tree of records that do not name any
REFUSE, ADD, SAME = "refuse", "add", "same"  # values of the setting `another_tree`


def videos_name(videos: Path) -> str:
    """What records call a videos tree: its real path, in printable letters."""
    return printable(str(videos.resolve()))


def own_trees(
    work: WorkFolder, videos: Path, records: Iterable[VideoRecord], digests: Mapping[str, str], another_tree: str
) -> set[str]:
    """The names of all trees among the records that are the tree at `videos`, now at this place or formerly elsewhere.

    A tree elsewhere is this one if half or more of its recorded videos are here, at the same places with the same
    content; of records that name no tree, the places do not matter.
    `digests` are the contents of videos that are known already; `another_tree` is the setting.
    Raises UserError if the features are another tree's alone and the setting refuses that.
    """
    here = videos_name(videos)
    own = {here, *next((names for names in read_names(work) if here in names), ())}
    recorded: dict[str, dict[str, str]] = defaultdict(dict)
    held: set[str] = set()  # trees of which features are there
    for record in records:
        if record.status == OK and record.digest:
            recorded[record.tree][record.video] = record.digest
            if record.tree not in held and _is_there(work, record.feature_file):
                held.add(record.tree)
    for name in recorded.keys() - own:
        if another_tree == SAME or _is_here(recorded[name], videos, digests, anywhere=name == OLDER):
            own.add(name)
    if held and not own & held and another_tree == REFUSE:
        theirs = ", ".join(sorted(held - {OLDER})) or "another place"
        raise UserError(
            f"features: {work.features} holds features of the videos in {theirs}, not of those in {here}; correct "
            "'videos', or set 'features' elsewhere. If the videos were only rearranged, use `--config "
            "another_tree=same` once; to put features of other videos beside them, `--config another_tree=add`"
        )
    return own


def _is_there(work: WorkFolder, feature: str) -> bool:
    return any(os.path.lexists(folder / feature) for folder in (work.features, work.staging))


def _is_here(contents: Mapping[str, str], videos: Path, digests: Mapping[str, str], *, anywhere: bool) -> bool:
    """Whether half or more of these videos, with their digests, lie under `videos`, in their places or `anywhere`."""
    looked_at = sorted(contents, key=lambda video: contents[video])[:LOOKED_AT]  # digests are as good as random
    same, all_digests = 0, set(digests.values())
    for video in looked_at:
        if anywhere and contents[video] in all_digests:
            same += 1
            continue
        try:
            same += contents[video] == (digests.get(video) or video_digest(videos / video))
        except OSError:
            continue
    return 2 * same >= len(looked_at)


def read_names(work: WorkFolder) -> list[set[str]]:
    """Of each videos tree, the names that it has had; none where that was not written down."""
    try:
        return read_json(work.trees, list[set[str]])
    except (OSError, ValueError):
        return []


def write_names(work: WorkFolder, own: set[str]) -> None:
    """Write down that these names are of one tree."""
    others = [sorted(names) for names in read_names(work) if not names & own]
    content = msgspec.json.encode([*others, sorted(own.union(*(names for names in read_names(work) if names & own)))])
    with suppress(OSError):
        if read_file(work.trees) == content:
            return
    write_atomically(work.trees, content)
