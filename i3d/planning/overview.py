"""The plan in a few lines, printed by `snakemake -n` and `make status`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from i3d import commands
from i3d.backbones import backbone
from i3d.datasets.naming import summary
from i3d.planning import orphans
from i3d.planning.plan import ASSUMED_FRAMES, Plan
from i3d.quantities import SPELT_OUT, count, counts, duration, listed, size
from i3d.quantities import named as names_of
from i3d.records.record import OK, as_planned, settings_differences
from i3d.results.names import by_path
from i3d.specs import SAMPLE_MODES

FLOAT_BYTES = 4  # of a feature's values


def status_text(plan: Plan, full_list: str, named: int = SPELT_OUT) -> str:
    """Return the plan as a text, with at most `named` names of each kind; `full_list` says where all are."""
    entries = [entry for bundle in plan.bundles for entry in bundle.videos]
    lines = [("trees", f"{plan.root} -> {plan.work.features}"), ("videos", _videos(plan)), ("length", _length(plan))]
    if plan.dataset is not None and plan.names is not None:
        lines.append(("data set", summary(plan.dataset, plan.names)))
    if entries:
        largest = max(bundle.frames for bundle in plan.bundles)
        probes = {video: known.probe for video, known in plan.videos.items()}
        lines += [
            ("bundles", f"{len(plan.bundles):,}, the largest of {largest:,} frames"),
            ("takes", plan.pricing.text(plan.bundles, probes)),
            ("to write", _to_write(plan, [entry.frames for entry in entries])),
        ]
    if plan.strangers:
        what = f"{count(len(plan.strangers), 'file')} in the place of features that this workflow did not write"
        lines.append(("set aside", f"{what}, to {plan.work.set_aside}: {names_of(plan.strangers, named)}"))
    if plan.replaced:
        lines.append(("replaced", _replaced(plan)))
    remove = commands.snakemake("orphaned")
    stale = {record.feature_file: f"{video}: {plan.skipped[video].reason}" for video, record in plan.stale.items()}
    others = {record.feature_file for record in plan.stale.values() if record.fingerprint != plan.fingerprint}
    for what, features in (
        (f"of earlier content, which {remove} removes", stale.keys() - others),
        (f"of other settings, which {orphans.command('other_settings')} removes", others),
    ):
        if features:
            text = listed({feature: stale[feature] for feature in sorted(features)}, full_list, named)
            lines.append(("stale", f"{count(len(features), 'feature')} {what}{text}"))
    if failed := plan.failures:
        what = f"{count(len(failed), 'video')} last time, now tried again"
        lines.append(("failed", what + listed(failed, full_list, named)))
    if plan.skipped:
        skipped = {video: record.reason or "" for video, record in plan.skipped.items()}
        lines.append(("skipped", count(len(skipped), "video") + listed(skipped, full_list, named)))
    if plan.orphaned:
        gone = {record.feature_file: record.reason or "" for record in plan.orphaned.values()}
        what = f"{count(len(gone), 'feature')}, which {remove} removes"
        lines.append(("orphaned", what + listed(gone, full_list, named)))
    if plan.names is None and (unlabelled := _unlabelled(plan)):
        what = (
            f"none for {count(len(unlabelled), 'video')} in {names_of(sorted(set(unlabelled)))}, and lists need one: "
        )
        what += "a folder that begins with anomal or normal tells it, or a sheet, see docs/data.md"
        lines.append(("labels", what))
    if plan.passed_over:
        lines.append(("other", f"passed over: {counts(plan.passed_over)} (`extensions` adds suffixes)"))
    lines += [("warning", text) for text in warnings(plan)]
    return "\n".join(f"{name:<10}{text}" for name, text in lines)


def _unlabelled(plan: Plan) -> list[str]:
    """The category of each video without a label, by folders."""
    namings = [by_path(video) for video in plan.videos if video not in plan.skipped]
    return [each.category for each in namings if each.category and not each.label]


def warnings(plan: Plan) -> list[str]:
    """Return what would spoil a data set without stopping a run: leaks between splits or labels, mixed settings."""
    return [*_copies(plan), *_mixtures(plan), *_resized_otherwise(plan)]


def _resized_otherwise(plan: Plan) -> Iterator[str]:
    numbers = Counter(record.resized_by for record in plan.present.values())
    for pillow, number in numbers.items():
        if pillow:
            yield (
                f"{count(number, 'feature')} of frames resized by {pillow}, whose pictures differ from those of the "
                "version in envs/requirements.txt: install that one before you go on"
            )


def _copies(plan: Plan) -> Iterator[str]:
    places: dict[str, list[str]] = defaultdict(list)
    for video, known in plan.videos.items():
        if known.digest:
            places[known.digest].append(video)
    for videos in (each for each in places.values() if len(each) > 1):
        namings = {video: by_path(video) if plan.names is None else plan.names.of[video] for video in videos}
        used = {video: (name.split, name.label) for video, name in namings.items() if name.split}
        if len(set(used.values())) > 1:
            yield f"the same video lies in several splits or labels: {names_of([*used])}"


def _mixtures(plan: Plan) -> Iterator[str]:
    ours = as_planned(plan.settings)
    differences = Counter(
        "; ".join(settings_differences(record, ours)) for record in plan.elsewhere.values() if record.status == OK
    )
    for difference, number in differences.items():
        if difference:
            yield f"{count(number, 'feature')} outside these subsets made under other settings ({difference})"


def _replaced(plan: Plan) -> str:
    """Say how many features in place will be made anew, and why."""
    ours = as_planned(plan.settings)
    reasons: Counter[str] = Counter()
    for video, record in plan.replaced.items():
        changed = record.digest != plan.videos[video].digest
        if differences := settings_differences(record, ours):
            reasons[f"made under {'; '.join(differences)}"] += 1
        else:
            reasons["whose video has changed" if changed else "asked for again"] += 1
    return ", ".join(f"{count(number, 'feature')} {why}" for why, number in reasons.items())


def _videos(plan: Plan) -> str:
    total = len(plan.present) + len(plan.waiting) + len(plan.pending) + len(plan.skipped)
    text = f"{total:,}: {len(plan.present):,} present, {len(plan.pending):,} to extract"
    if plan.waiting:
        text += f", {len(plan.waiting):,} finished and only to be moved into place"
    return f"{text}, {len(plan.skipped):,} skipped"


def _length(plan: Plan) -> str:
    whole = _hours(plan, plan.videos)
    return f"{whole} of video" + (f", {_hours(plan, plan.pending)} to extract" if plan.pending else "")


def _hours(plan: Plan, videos: Iterable[str]) -> str:
    """Return the total duration of the videos with a known frame count and rate."""
    seconds = 0.0
    for video in videos:
        probe = plan.videos[video].probe
        rate = plan.settings.fps or probe.fps
        if probe.frames and rate:
            seconds += probe.frames / rate
    return duration(seconds)


def _to_write(plan: Plan, frames: Sequence[int]) -> str:
    crops = SAMPLE_MODES[plan.settings.sample_mode].crops
    snippet_bytes = crops * backbone(plan.settings.model).dim * FLOAT_BYTES
    snippets = sum(max(1, plan.settings.rule.snippets(length)) for length in frames)  # 1: the length is an estimate
    unknown = sum(plan.videos[video].probe.frames is None for video in plan.pending)
    parts = [
        f"{count(len(frames), 'feature file')}, {size(snippets * snippet_bytes)}",
        plan.pricing.frames_text(plan.bundles),
        f"{count(unknown, 'video')} of unknown length taken for {ASSUMED_FRAMES} frames" if unknown else "",
    ]
    return "; ".join(filter(None, parts))
