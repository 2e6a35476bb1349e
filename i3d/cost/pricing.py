"""What the due videos will take: time on this machine, or GPU hours on a cluster's slices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from i3d.cost.machine import cpu_count, device_name
from i3d.cost.prices import price_text, time_text
from i3d.cost.speeds import Known, known_speeds, other_slices
from i3d.cost.work import VideoWork, weigh
from i3d.decoding.probe import Probe
from i3d.records.bundles import Bundle
from i3d.records.record import VideoRecord
from i3d.settings import NumericSettings, Settings

USUAL_PIXELS = 320 * 240  # of a video whose size is not known


@dataclass(frozen=True)
class Machine:
    """Where the jobs will run: `gres` is the GPU that one asks a cluster for, empty where they run here."""

    gres: str = ""
    cpus: int = 1
    memory_gb: float = 0.0
    decode_threads: int = 4

    @classmethod
    def here(cls) -> "Machine":
        """This machine, with the CPUs that this process may use."""
        return cls(cpus=cpu_count())


@dataclass(frozen=True)
class Pricing:
    """Speeds that fit a machine and a plan's settings, and what videos cost by them."""

    machine: Machine
    device: str
    known: Known
    settings: NumericSettings
    calibration: Path

    @classmethod
    def of(
        cls, machine: Machine, settings: Settings, numeric: NumericSettings, records: Iterable[VideoRecord]
    ) -> "Pricing":
        """The best knowledge there is: a self-check's, else that of earlier runs, else assumptions."""
        device, calibration = device_name(machine.gres, settings.device), Path(settings.calibration)
        known = known_speeds(
            device, numeric, calibration, records, cpus=machine.cpus, decode_threads=machine.decode_threads
        )
        return cls(machine, device, known, numeric, calibration)

    def weight(self, frames: int, probe: Probe) -> int:
        """How many frames of plain video take as long as this video."""
        return weigh(self.work(frames, probe), self.known.speeds, self.machine.decode_threads)

    def work(self, frames: int, probe: Probe) -> VideoWork:
        """What a video asks for."""
        pixels = probe.width * probe.height if probe.width and probe.height else USUAL_PIXELS
        return VideoWork(frames, pixels, max(1, self.settings.rule.snippets(frames)), probe.codec)

    def text(self, bundles: Iterable[Bundle], probes: Mapping[str, Probe]) -> str:
        """What bundles will take, in words."""
        works = [[self.work(entry.frames, probes[entry.video]) for entry in bundle.videos] for bundle in bundles]
        if not self.machine.gres:
            return time_text(works, self.known, self.machine.cpus)
        slices = other_slices(self.device, self.known, self.settings, self.calibration)
        return price_text(
            works,
            self.device,
            self.known,
            slices,
            decode_threads=self.machine.decode_threads,
            cpus=self.machine.cpus,
            memory_gb=self.machine.memory_gb,
        )
