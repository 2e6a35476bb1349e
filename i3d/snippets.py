"""The snippet rule of the original scripts: how a video's frames are divided into snippets.

A video needs more frames than one clip; snippet i has the frames from i * frequency to i * frequency + clip_length - 1;
frames after the last whole snippet are dropped.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SnippetRule:
    """A snippet of `clip_length` frames every `frequency` frames; `middle_only`: just its middle frame is used."""

    clip_length: int
    frequency: int
    middle_only: bool = False

    def snippets(self, frames: int) -> int:
        """Snippets in a video of this many frames; 0 if it is too short."""
        return 0 if self.is_too_short(frames) else (frames - self.clip_length) // self.frequency + 1

    def is_too_short(self, frames: int) -> bool:
        """Whether a video of this many frames is skipped: it needs more than `clip_length`."""
        return frames <= self.clip_length

    def frames_of(self, snippet: int) -> range:
        """The frames of a snippet; both are counted from 0."""
        start = snippet * self.frequency
        return range(start, start + self.clip_length)

    @property
    def frames_used(self) -> int:
        """Frames per snippet that the network sees."""
        return 1 if self.middle_only else self.clip_length

    @property
    def middle(self) -> int:
        """The place of a snippet's middle frame, the later one if there are two."""
        return self.clip_length // 2

    def is_used(self, frame: int) -> bool:
        """Whether any snippet of a long enough video uses this frame; false in the gaps between snippets."""
        if self.middle_only:
            return frame >= self.middle and (frame - self.middle) % self.frequency == 0
        return self.left_out is None or frame % self.frequency < self.clip_length

    @property
    def left_out(self) -> list[int | str] | None:
        """A key for the set of frames that no snippet uses; None if every frame is used."""
        if self.middle_only:
            return [self.clip_length, self.frequency, "middle"]
        return [self.clip_length, self.frequency] if self.frequency > self.clip_length else None

    def used(self, frames: int) -> int:
        """How many of the first `frames` frames are in use."""
        if self.middle_only:
            return max(0, -(-(frames - self.middle) // self.frequency))
        periods, rest = divmod(frames, self.frequency)
        return frames if self.left_out is None else periods * self.clip_length + min(rest, self.clip_length)

    def why_too_short(self, frames: int) -> str:
        """The reason for skipping a video of this many frames."""
        return f"too short: {frames} frames, a snippet needs more than {self.clip_length}"


ORIGINAL_RULE = SnippetRule(clip_length=16, frequency=16)
