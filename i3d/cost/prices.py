"""The price of the due videos: time on this machine, or GPU hours on a cluster's slices."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d.cost.devices import Offer, devices, main_name, offers
from i3d.cost.machine import cpu_count, device_name, on_gpu
from i3d.cost.prices_in_words import price_text, time_text
from i3d.cost.speeds import KnownSpeeds, known_speeds, of_others
from i3d.cost.time_limits import minutes_for, seconds_within
from i3d.cost.work import VideoWork, frames_within, weigh
from i3d.decoding.probe import Probe
from i3d.quantities import count, duration, size
from i3d.records.bundles import Bundle
from i3d.records.record import VideoRecord
from i3d.settings import NumericSettings, Settings
from i3d.specs import FRAME_BYTES

USUAL_PIXELS = 320 * 240  # of a video of unknown size


@dataclass(frozen=True)
class Machine:
    """Where the jobs will run: `gres` is the requested GPU of a cluster, empty for this machine."""

    gres: str = ""
    cpus: int = 1
    memory_gb: float = 0.0
    decode_threads: int = 4
    offered: tuple[str, ...] | None = None  # GPUs that the cluster lists; None if no cluster answers

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine, with the CPUs that this process may use."""
        return cls(cpus=cpu_count())


@dataclass(frozen=True)
class Pricing:
    """The speeds of a machine under a plan's settings, and the cost of videos by them."""

    machine: Machine
    device: str
    known: KnownSpeeds
    settings: NumericSettings
    calibration: Path
    lent: Mapping[str, Offer]  # offers of the cluster in the settings, or of this one
    longest: int  # minutes of a cluster job
    piped: bool  # whether frames are never on disk

    @classmethod
    def of(
        cls, machine: Machine, settings: Settings, numeric: NumericSettings, records: Iterable[VideoRecord]
    ) -> "Pricing":
        """Take speeds from a self-check, else from earlier runs, else from assumptions."""
        device, calibration = device_name(machine.gres, settings.device), Path(settings.calibration)
        gpu, cpus, threads = on_gpu(machine.gres, settings.device), machine.cpus, machine.decode_threads
        known = known_speeds(device, numeric, calibration, records, on_gpu=gpu, cpus=cpus, decode_threads=threads)
        lent, longest, piped = offers(settings.cluster), settings.longest_job, settings.frames == "pipe"
        return cls(machine, device, known, numeric, calibration, lent, longest, piped)

    def weight(self, frames: int, probe: Probe) -> int:
        """Return how many frames of plain video take as long as this video."""
        return weigh(self._work(frames, probe), self.known.speeds, self.machine.decode_threads)

    def bundle_frames(self, most: int) -> int:
        """Return the weight to pack bundles to: `most`, or less where a cluster's longest job is too short for that."""
        if not self.machine.gres:
            return most
        seconds, threads = seconds_within(self.longest), self.machine.decode_threads
        return min(most, frames_within(seconds, self.settings.frequency, self.known.speeds, threads))

    def seconds(self, bundle: Bundle, probes: Mapping[str, Probe]) -> float:
        """Return the seconds that a job takes for a bundle, without its start."""
        return self.known.speeds.bundle_seconds(self._works(bundle, probes), self.machine.decode_threads)

    def _works(self, bundle: Bundle, probes: Mapping[str, Probe]) -> list[VideoWork]:
        return [self._work(entry.frames, probes[entry.video]) for entry in bundle.videos]

    def _work(self, frames: int, probe: Probe) -> VideoWork:
        pixels = probe.width * probe.height if probe.width and probe.height else USUAL_PIXELS
        return VideoWork(frames, pixels, max(1, self.settings.rule.snippets(frames)), probe.codec)

    def text(self, bundles: Iterable[Bundle], probes: Mapping[str, Probe]) -> str:
        """Return the price of bundles, in words."""
        bundles = list(bundles)
        works = [self._works(bundle, probes) for bundle in bundles]
        if not self.machine.gres:
            return time_text(works, self.known, self.machine.cpus)
        price = price_text(
            works,
            self.device,
            self.known,
            of_others(self.device, self._comparable(), self.known, self.settings, self.calibration),
            charged={name: each.charged(self.machine.cpus, self.machine.memory_gb) for name, each in self.lent.items()},
            decode_threads=self.machine.decode_threads,
        )
        names = [entry.video for bundle in bundles for entry in bundle.videos]
        return "\n".join(filter(None, (price, self._too_long_text(names, [work for each in works for work in each]))))

    def _too_long_text(self, names: Sequence[str], works: Sequence[VideoWork]) -> str:
        """Return a warning of videos that take more than the longest job, each a whole attempt in vain, if any."""
        threads = self.machine.decode_threads
        seconds = [self.known.speeds.bundle_seconds([work], threads) for work in works]
        too_long = sum(each > 60 * self.longest for each in seconds)
        if not too_long or self.known.guessed:
            return ""
        most = max(seconds)
        return (
            f"  warning: {count(too_long, 'video')} will not be done within `longest_job`, {self.longest} minutes "
            f"({names[seconds.index(most)]} takes {duration(most)}): set it to {minutes_for(most)}, where the cluster "
            "has a partition for that, or take a faster GPU or precision"
        )

    def _comparable(self) -> list[str]:
        """Return the devices to compare with: all that the cluster lists, or is known to offer."""
        if self.machine.offered is None:
            return list(self.lent)
        offered = {main_name(each) for each in self.machine.offered}
        return [name for name in devices() if name in offered]

    def frames_text(self, bundles: Iterable[Bundle]) -> str:
        """Return the disk space for the decoded frames of a running bundle, in words; empty if they are piped."""
        most = max((bundle.frames for bundle in bundles), default=0)
        return "" if self.piped else f"up to {size(most * FRAME_BYTES)} of frames per running bundle"
