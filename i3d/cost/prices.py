"""What the due videos will take: time on this machine, or GPU hours on a cluster's slices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from i3d.cost.devices import Offer, devices, offers
from i3d.cost.devices import device_name as one_name
from i3d.cost.machine import cpu_count, device_name, on_gpu
from i3d.cost.prices_in_words import price_text, time_text
from i3d.cost.speeds import Known, known_speeds, of_others
from i3d.cost.work import VideoWork, weigh
from i3d.decoding.probe import Probe
from i3d.quantities import size
from i3d.records.bundles import Bundle
from i3d.records.record import VideoRecord
from i3d.settings import NumericSettings, Settings
from i3d.specs import HEIGHT, WIDTH

USUAL_PIXELS = 320 * 240  # of a video whose size is not known
FRAME_BYTES = HEIGHT * WIDTH * 3  # as in frame_stream.py, which would bring NumPy to the Snakefile


@dataclass(frozen=True)
class Machine:
    """Where the jobs will run: `gres` is the GPU that one asks a cluster for, empty where they run here."""

    gres: str = ""
    cpus: int = 1
    memory_gb: float = 0.0
    decode_threads: int = 4
    offered: tuple[str, ...] | None = None  # GPUs that the cluster lists; None where no cluster answers

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
    lent: Mapping[str, Offer]  # by the cluster that the settings name, or this one, with what it charges
    piped: bool  # whether frames never come to a disk

    @classmethod
    def of(
        cls, machine: Machine, settings: Settings, numeric: NumericSettings, records: Iterable[VideoRecord]
    ) -> "Pricing":
        """The best knowledge there is: a self-check's, else that of earlier runs, else assumptions."""
        device, calibration = device_name(machine.gres, settings.device), Path(settings.calibration)
        known = known_speeds(
            device,
            numeric,
            calibration,
            records,
            on_gpu=on_gpu(machine.gres, settings.device),
            cpus=machine.cpus,
            decode_threads=machine.decode_threads,
        )
        piped = settings.frames == "pipe"
        return cls(machine, device, known, numeric, calibration, offers(settings.cluster), piped)

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
        return price_text(
            works,
            self.device,
            self.known,
            of_others(self.device, self._comparable(), self.known, self.settings, self.calibration),
            charged={name: each.charged(self.machine.cpus, self.machine.memory_gb) for name, each in self.lent.items()},
            decode_threads=self.machine.decode_threads,
        )

    def _comparable(self) -> list[str]:
        """The devices to compare the chosen one with: those that the cluster lists, else those it is known to lend."""
        if self.machine.offered is None:
            return list(self.lent)
        offered = {one_name(each) for each in self.machine.offered}
        return [name for name in devices() if name in offered]

    def frames_text(self, bundles: Iterable[Bundle]) -> str:
        """What the decoded frames of a running bundle take on disk, in words; empty where they never come there."""
        most = max((bundle.frames for bundle in bundles), default=0)
        return "" if self.piped else f"up to {size(most * FRAME_BYTES)} of frames per running bundle"
