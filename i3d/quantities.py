"""Numbers and lists in words, for logs, the plan and the report."""

from collections.abc import Mapping, Sequence

SPELT_OUT = 5  # names in a message


def duration(seconds: float) -> str:
    """Format seconds as `45 s`, `12 min` or `3.4 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:,.1f} h"


def count(number: int, noun: str) -> str:
    """Format a number with its noun: `1 video`, `2,000 videos`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def counts(numbers: Mapping[str, int]) -> str:
    """Format the number of each kind: `1,040 .jpg, 2 .dav`."""
    return named([f"{number:,} {kind}" for kind, number in numbers.items()])


def size(number: float) -> str:
    """Format bytes as `512 B`, `61.4 MB`, `1.2 TB`; a kB is 1000 bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def named(names: Sequence[str], limit: int = SPELT_OUT) -> str:
    """Join the first `limit` names, and say how many more there are."""
    rest = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def listed(reasons: Mapping[str, str], full_list: str, limit: int = SPELT_OUT) -> str:
    """Put the first `limit` names with their reasons on lines of their own; `full_list` says where all are."""
    text = "".join(f"\n  {name}: {reason}" for name, reason in list(reasons.items())[:limit])
    return text + (f"\n  and {len(reasons) - limit:,} more, {full_list}" if len(reasons) > limit else "")
