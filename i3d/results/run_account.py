"""What became of the videos of a run: the one account that tables, summary and closing words are made from."""

from dataclasses import dataclass, field

from i3d.records.record import VideoRecord


@dataclass
class Account:
    """What became of each of a run's videos, by its path under the videos tree, in order.

    `rows` say what is there; the others say what this run did, whatever was there before: videos whose features it
    made, and moved, and those that it tried and failed, or did not come to, with the reason; `kept` are videos whose
    features it was to make anew, and did not come to.
    """

    rows: dict[str, VideoRecord]
    made: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_done: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
