"""The closing words of a run: what is done, skipped, failed and left, what to do next, and why videos failed."""

import time
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from i3d import commands
from i3d.quantities import count, counts, duration, listed
from i3d.results.names import METADATA
from i3d.results.run_summary import runs_since


class Ending:
    """The end of a run that began at `began` (seconds since the epoch), when there were `runs_before` summaries.

    `stopped`: the user ended the run; `whole`: every requested job succeeded; `asked`: the requested targets.
    """

    def __init__(
        self,
        features: Path,
        began: float,
        runs_before: int,
        *,
        stopped: bool = False,
        whole: bool = False,
        asked: Collection[str] = (),
    ) -> None:
        self._features, self._took = features, duration(time.time() - began)
        self._stopped, self._whole, self._asked = stopped, whole, asked
        runs = [run for run in runs_since(features, runs_before) if "total_videos" in run]  # not of `orphaned`
        self._run = runs[-1] if runs else None

    @property
    def text(self) -> str:
        """The outcome of the run and what to do next."""
        run = self._run
        if run is None:
            return f"The run took {self._took}, but its tables were not written; run snakemake again for them."
        made, moved, failed = (run[f"{name}_videos"] for name in ("processed", "moved", "failed"))
        left, kept = run["not_done_videos"], run["kept_videos"]
        done = f"{count(made, 'feature')} in {self._took}" + (f", {moved:,} more moved into place" if moved else "")
        damaged = run["damaged_videos"]
        videos = [
            f"{run['present_videos']:,} with features" + (f" ({damaged:,} of them damaged)" if damaged else ""),
            f"{run['videos_skipped']:,} skipped",
            f"{failed:,} failed",
        ]
        videos += [f"{left:,} not done"] if left else []
        videos += [f"{kept:,} not made anew"] if kept else []
        if kept and not left:
            advice = "the features that were not made anew are as before; the same command begins with all again"
        elif self._whole and left:
            advice = "a run without `--until` and `--omit-from` does the rest"
        elif self._stopped or left:
            advice = "run the same command again: it goes on where this run ended"
        elif failed:
            advice = "run the same command again: it tries what failed, and leaves alone what is done"
        elif not self._whole:
            advice = "correct what is said below, and run the same command again"
        else:
            advice = self._offers()
        lines = [
            ("stopped" if self._stopped else "done", done),
            ("videos", f"{run['total_videos']:,}: {', '.join(videos)}"),
            ("table", f"{self._features / METADATA} has a row for each video, with a reason where it has no feature"),
        ]
        lines += [("next", advice)] if advice else []
        if run["passed_over"]:
            lines.insert(2, ("other", f"passed over: {counts(run['passed_over'])}"))
        return "\n".join(f"{name:<10}{text}" for name, text in lines)

    def _offers(self) -> str:
        """What may be done with the features and was not asked for."""
        offers = {"lists": "writes lists for trainers", "report": "draws the report"}
        asked = {*self._asked, *(["lists"] if "ground_truth" in self._asked else [])}
        return ", ".join(f"{commands.snakemake(name)} {what}" for name, what in offers.items() if name not in asked)

    @property
    def errors(self) -> list[str]:
        """The failed videos and their reasons, as one message or none."""
        failed, reasons = (self._run["failed_video_list"], self._run["reasons"]) if self._run else ([], {})
        if not failed:
            return []
        videos: dict[str, list[str]] = defaultdict(list)
        for video in failed:
            videos[reasons[video]].append(video)
        grouped = {
            names[0] if len(names) == 1 else f"{len(names):,} videos, like {names[0]}": reason
            for reason, names in videos.items()
        }
        text = f"error: {count(len(failed), 'video')} failed; run the same command again to try them again"
        return [text + listed(grouped, f"all in {self._features / METADATA}")]
