"""The snippet rule: how many snippets a video gives, and which frames each of them takes.

The original scripts' rule: a video needs more frames than one clip; snippet i takes frames i * frequency to
i * frequency + clip_length - 1; frames after the last whole snippet are dropped.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class SnippetRule:
    """`clip_length` frames per snippet, `frequency` frames between the starts of two.

    With `middle_only` a snippet stands for as many frames, and only its middle one is used.
    """

    clip_length: int
    frequency: int
    middle_only: bool = False

    def snippets(self, frames: int) -> int:
        """How many snippets a video of so many frames gives; 0 for one that is too short."""
        return 0 if self.is_too_short(frames) else (frames - self.clip_length) // self.frequency + 1

    def is_too_short(self, frames: int) -> bool:
        """Whether a video of so many frames is skipped: it must have more than `clip_length`."""
        return frames <= self.clip_length

    def frames_of(self, snippet: int) -> range:
        """The frames of one snippet, counted from 0."""
        start = snippet * self.frequency
        return range(start, start + self.clip_length)

    @property
    def frames_used(self) -> int:
        """Frames of one snippet that the network gets."""
        return 1 if self.middle_only else self.clip_length

    @property
    def middle(self) -> int:
        """The place of a snippet's middle frame, the later one of two."""
        return self.clip_length // 2

    def is_used(self, frame: int) -> bool:
        """Whether any snippet of a video that is long enough uses this frame; false in the gaps between snippets."""
        if self.middle_only:
            return frame >= self.middle and (frame - self.middle) % self.frequency == 0
        return self.left_out is None or frame % self.frequency < self.clip_length

    @property
    def left_out(self) -> list[int | str] | None:
        """Identifies the frames that no snippet uses: clip length and frequency, or None where each frame is used."""
        if self.middle_only:
            return [self.clip_length, self.frequency, "middle"]
        return [self.clip_length, self.frequency] if self.frequency > self.clip_length else None

    def used(self, frames: int) -> int:
        """How many of the first `frames` frames are used."""
        if self.middle_only:
            return max(0, -(-(frames - self.middle) // self.frequency))
        periods, rest = divmod(frames, self.frequency)
        return frames if self.left_out is None else periods * self.clip_length + min(rest, self.clip_length)

    def why_too_short(self, frames: int) -> str:
        """The reason to skip a video of so many frames."""
        return f"too short: {frames} frames, a snippet needs more than {self.clip_length}"


ORIGINAL_RULE = SnippetRule(clip_length=16, frequency=16)
