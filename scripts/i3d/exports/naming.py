"""How messages name many videos."""

from collections.abc import Sequence

SPELT_OUT = 5


def named(names: Sequence[str], limit: int = SPELT_OUT) -> str:
    """The first `limit` names, and how many more there are."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest
