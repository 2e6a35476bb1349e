"""The plan in a few lines, as `snakemake -n` opens with it and `make status` prints it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from i3d import commands
from i3d.backbones import backbone
from i3d.datasets.naming import summary
from i3d.planning.plan import ASSUMED_FRAMES, Plan
from i3d.quantities import SPELT_OUT, count, counts, duration, listed, size
from i3d.quantities import named as names_of
from i3d.records.record import FAILED, OK, as_planned, settings_differences
from i3d.results.names import by_path
from i3d.specs import SAMPLE_MODES

FLOAT_BYTES = 4  # of a feature's values


def status_text(plan: Plan, full_list: str, named: int = SPELT_OUT) -> str:
    """The plan for people: what there is, what is to do and what it will take.

    At most `named` of the skipped and of the failed videos are named; `full_list` says where all are.
    """
    entries = [entry for bundle in plan.bundles for entry in bundle.videos]
    lines = [
        ("trees", f"{plan.root} -> {plan.work.features}"),
        ("videos", _videos(plan)),
        ("length", _length(plan)),
    ]
    if plan.dataset is not None and plan.names is not None:
        lines.append(("data set", summary(plan.dataset.rules.sheet.title, plan.names)))
    if entries:
        frames = [entry.frames for entry in entries]
        lines += [
            (
                "bundles",
                f"{len(plan.bundles):,}, the largest of {max(bundle.frames for bundle in plan.bundles):,} frames",
            ),
            ("takes", _price(plan)),
            ("to write", _to_write(plan, frames)),
        ]
    if plan.strangers:
        lines.append(
            (
                "set aside",
                f"{count(len(plan.strangers), 'file')} in the place of features that this workflow did not write, to "
                f"{plan.work.set_aside}: {names_of(plan.strangers, named)}",
            )
        )
    if plan.replaced:
        lines.append(("replaced", _replaced(plan)))
    remove = commands.snakemake("orphaned")
    if plan.stale:
        gone = {record.feature_file: f"{video}: {plan.skipped[video].reason}" for video, record in plan.stale.items()}
        what = f"{count(len(gone), 'feature')} of earlier content or settings, which {remove} removes"
        lines.append(("stale", what + listed(gone, full_list, named)))
    failed = failures(plan)
    if failed:
        lines.append(
            ("failed", f"{count(len(failed), 'video')} last time, now tried again" + listed(failed, full_list, named))
        )
    if plan.skipped:
        skipped = {video: record.reason or "" for video, record in plan.skipped.items()}
        lines.append(("skipped", count(len(skipped), "video") + listed(skipped, full_list, named)))
    if plan.orphaned:
        gone = {record.feature_file: record.reason or "" for record in plan.orphaned.values()}
        what = f"{count(len(gone), 'feature')}, which {remove} removes"
        lines.append(("orphaned", what + listed(gone, full_list, named)))
    if plan.passed_over:
        lines.append(("other", f"passed over: {counts(plan.passed_over)} (`extensions` adds suffixes)"))
    lines += [("warning", text) for text in warnings(plan)]
    return "\n".join(f"{name:<10}{text}" for name, text in lines)


def failures(plan: Plan) -> dict[str, str]:
    """Pending videos whose last try failed, with the reason."""
    return {
        video: record.reason or ""
        for video in plan.pending
        if (record := plan.last.get(video)) is not None
        and record.status == FAILED
        and record.fits(plan.videos[video].digest, plan.fingerprint)
    }


def warnings(plan: Plan) -> list[str]:
    """What would spoil a data set without stopping a run: leaks between splits or labels, and mixed settings."""
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
    for videos in places.values():
        said = [by_path(video) if plan.names is None else plan.names.of[video] for video in videos]
        if len({(name.split, name.label) for name in said}) > 1:
            more = f" and {len(videos) - SPELT_OUT:,} more" if len(videos) > SPELT_OUT else ""
            yield f"the same video lies in several splits or labels: {', '.join(videos[:SPELT_OUT])}{more}"


def _mixtures(plan: Plan) -> Iterator[str]:
    ours = as_planned(plan.settings)
    others: dict[str, int] = defaultdict(int)
    for record in plan.elsewhere.values():
        if record.status == OK and (found := settings_differences(record, ours)):
            others["; ".join(found)] += 1
    for difference, number in others.items():
        yield f"{count(number, 'feature')} outside these subsets made under other settings ({difference})"


def _replaced(plan: Plan) -> str:
    """How many features in place will be made anew, and why."""
    ours = as_planned(plan.settings)
    reasons: dict[str, int] = defaultdict(int)
    for video, record in plan.replaced.items():
        differences = "; ".join(settings_differences(record, ours))
        if differences:
            reasons[f"made under {differences}"] += 1
        else:
            changed = record.digest != plan.videos[video].digest
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
    """Duration of the videos whose frame count and rate are known."""
    seconds = 0.0
    for video in videos:
        probe = plan.videos[video].probe
        rate = plan.settings.fps or probe.fps
        if probe.frames and rate:
            seconds += probe.frames / rate
    return duration(seconds)


def _price(plan: Plan) -> str:
    return plan.pricing.text(plan.bundles, {video: known.probe for video, known in plan.videos.items()})


def _to_write(plan: Plan, frames: Sequence[int]) -> str:
    crops = SAMPLE_MODES[plan.settings.sample_mode].crops
    snippet_bytes = crops * backbone(plan.settings.model).dim * FLOAT_BYTES
    features = sum(_snippets(plan, length) for length in frames) * snippet_bytes
    on_its_way = plan.pricing.frames_text(plan.bundles)
    unknown = sum(plan.videos[video].probe.frames is None for video in plan.pending)
    guess = f"; {count(unknown, 'video')} of unknown length taken for {ASSUMED_FRAMES} frames" if unknown else ""
    return f"{count(len(frames), 'feature file')}, {size(features)}" + (f"; {on_its_way}" if on_its_way else "") + guess


def _snippets(plan: Plan, frames: int) -> int:
    """Snippets of a video that is long enough, and of one whose count was underestimated, one."""
    return max(1, plan.settings.rule.snippets(frames))
