"""Describe in words what is wrong with a video that can still be decoded."""

from dataclasses import dataclass


@dataclass
class Faults:
    """What PyAV has decoded, and what went wrong."""

    frames: int = 0
    bad_packets: int = 0
    bad_frames: int = 0
    cut: bool = False

    def words(self, declared: int | None, estimated: int | None = None) -> str | None:
        """Describe the damage, None if there is none.

        `declared` frames should have been decoded; where the header declares no number, about `estimated`.
        """
        missing = self.cut and not declared and estimated is not None and self.frames < estimated
        return damage(
            f"{self.bad_packets} packets could not be decoded" if self.bad_packets else None,
            f"{self.bad_frames} frames have errors" if self.bad_frames else None,
            "the file breaks off" if self.cut else None,
            shortfall(self.frames, declared),
            f"{self.frames} of about {estimated} frames decoded" if missing else None,
        )


def damage(*remarks: str | None) -> str | None:
    """Join remarks; None if there are none."""
    return "; ".join(filter(None, remarks)) or None


def shortfall(decoded: int, declared: int | None) -> str | None:
    """Say that fewer frames were decoded than the header declares; None if not, or if it declares no number."""
    return f"{decoded} of {declared} declared frames decoded" if declared and decoded < declared else None
