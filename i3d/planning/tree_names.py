"""Whether a features tree holds the features of this videos tree or of another one."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from i3d.digests import video_digest
from i3d.errors import UserError
from i3d.files import read_file, read_json_or_none, write_atomically
from i3d.planning.tree import printable
from i3d.records.record import OK, VideoRecord
from i3d.records.work_folder import WorkFolder

SAMPLED = 64  # videos whose content decides whether two trees are the same
OLDER = ""  # the tree of older records, which name none
REFUSE, SAME = "refuse", "same"  # values of the setting `another_tree`


def videos_name(videos: Path) -> str:
    """Return a videos tree's name in records: its real path, made printable."""
    return printable(str(videos.resolve()))


def own_trees(
    work: WorkFolder, videos: Path, records: Iterable[VideoRecord], digests: Mapping[str, str], another_tree: str
) -> set[str]:
    """Return all names in the records for the tree at `videos`: its present one and former ones.

    A recorded tree is this one if half or more of its videos are here, at the same places with the same content; for
    records without a tree's name, the places do not matter.
    `digests` are the known contents of videos; `another_tree` is the setting.
    Raises UserError if all features are another tree's and the setting refuses that.
    """
    here = videos_name(videos)
    own = {here, *next((names for names in read_names(work) if here in names), ())}
    recorded: dict[str, dict[str, str]] = defaultdict(dict)
    held: set[str] = set()  # trees with features here
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
    sample = sorted(contents, key=lambda video: contents[video])[:SAMPLED]  # digests are as good as random
    same, all_digests = 0, set(digests.values())
    for video in sample:
        if anywhere and contents[video] in all_digests:
            same += 1
            continue
        with suppress(OSError):
            same += contents[video] == (digests.get(video) or video_digest(videos / video))
    return 2 * same >= len(sample)


def read_names(work: WorkFolder) -> list[set[str]]:
    """Read the present and former names of each videos tree; none if they were not recorded."""
    return read_json_or_none(work.trees, list[set[str]]) or []


def write_names(work: WorkFolder, own: set[str]) -> None:
    """Record that all these names belong to one tree."""
    known = read_names(work)
    others = [sorted(names) for names in known if not names & own]
    content = msgspec.json.encode([*others, sorted(own.union(*(names for names in known if names & own)))])
    with suppress(OSError):
        if read_file(work.trees) == content:
            return
    write_atomically(work.trees, content)
