"""What is wrong with a video that can be decoded all the same, in words."""

from dataclasses import dataclass


@dataclass
class Faults:
    """What PyAV decoded and what went wrong meanwhile."""

    frames: int = 0
    bad_packets: int = 0
    bad_frames: int = 0
    cut: bool = False

    def words(self, declared: int | None) -> str | None:
        """What is damaged, in words, None if nothing is; `declared` frames should have been decoded."""
        return damage(
            f"{self.bad_packets} packets could not be decoded" if self.bad_packets else None,
            f"{self.bad_frames} frames have errors" if self.bad_frames else None,
            "the file breaks off" if self.cut else None,
            shortfall(self.frames, declared),
        )


def damage(*found: str | None) -> str | None:
    """Join what was found, None if nothing was."""
    return "; ".join(filter(None, found)) or None


def shortfall(decoded: int, declared: int | None) -> str | None:
    """Words for fewer frames than the header declares, None if there are enough or it does not say."""
    return f"{decoded} of {declared} declared frames decoded" if declared and decoded < declared else None
