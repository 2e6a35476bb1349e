"""Numbers and lists in words, as logs, the plan and the report say them."""

from collections.abc import Mapping, Sequence

SPELT_OUT = 5  # names in a message


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.4 h`: two or more digits of the unit that fits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:,.1f} h"


def count(number: int, noun: str) -> str:
    """`1 video`, `2,000 videos`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def counts(numbers: Mapping[str, int]) -> str:
    """How many there are of each kind: `1,040 .jpg, 2 .dav`."""
    return named([f"{number:,} {kind}" for kind, number in numbers.items()])


def size(number: float) -> str:
    """Bytes as `512 B`, `61.4 MB`, `1.2 TB`; a kB is 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.1f} TB"


def named(names: Sequence[str], limit: int = SPELT_OUT) -> str:
    """The first `limit` names, and how many more there are."""
    rest = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def listed(reasons: Mapping[str, str], full_list: str, limit: int = SPELT_OUT) -> str:
    """The first `limit` names, each on a line with its reason, to follow a text; `full_list` says where all are."""
    text = "".join(f"\n  {name}: {reason}" for name, reason in list(reasons.items())[:limit])
    return text + (f"\n  and {len(reasons) - limit:,} more, {full_list}" if len(reasons) > limit else "")
