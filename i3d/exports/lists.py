"""Lists: one feature path a line, for RTFM, MGFN and Smart-Surveillance."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from i3d.errors import UserError
from i3d.quantities import named
from i3d.records.record import Row


def list_lines(rows: Iterable[Row], root: Path) -> list[str]:
    """One feature path per line, in the given order. Raises UserError for a path that would break a line."""
    lines = [str(root / row.feature_file) for row in rows]
    refuse_line_breaks(lines)
    return lines


def refuse_line_breaks(lines: Sequence[str]) -> None:
    """Raise UserError for a path that is more than one line."""
    if broken := [line for line in lines if len(line.splitlines()) != 1]:
        raise UserError(f"{named(broken)}: a line break in a path, and lists hold one path per line; rename it")


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """How many lines a trainer must be told to take as anomalies (RTFM's 810 for UCF-Crime)."""
    anomalies = sum(row.label or 0 for row in rows)
    return {"anomaly": anomalies, "normal": len(rows) - anomalies, "total": len(rows)}
