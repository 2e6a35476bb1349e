"""GPUs, slices of GPUs, and what clusters charge for them: two tables of data, in which a new one is a row.

devices.csv says what a device can do: memory, multiprocessors, bandwidth, and TFLOP/s by precision, dense. A slice is
`of` a GPU, whose peaks it has a share of. The reaches are the parts of the peaks that a GPU holds under load, beside an
A100. clusters.csv says what a cluster lends, under which name it is asked for there, and what is charged.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from i3d.errors import UserError
from i3d.specs import PRECISIONS

TABLES = Path(__file__).parent


@dataclass(frozen=True)
class Device:
    """A GPU or a slice of one."""

    name: str  # as plans and calibrations have it, such as `a100_4g.20gb`
    names: tuple[str, ...]  # all its names as `_plain` writes them: SLURM's, the cluster's short ones, the driver's
    memory_gb: float
    bandwidth: float  # GB/s that it holds
    peaks: dict[str, float]  # TFLOP/s that it holds, by precision; without those that it has no arithmetic for

    def peak(self, precision: str) -> float:
        """TFLOP/s in this precision; those of fp32 where the device has none for it."""
        return self.peaks.get(precision, self.peaks["fp32"])


@dataclass(frozen=True)
class Offer:
    """A device as a cluster lends it and charges for it, in reference GPU units (RGU)."""

    device: Device
    asked_for: str  # its name in requests there
    rgu: float
    cpus_per_rgu: float  # what a job holds beyond these is charged instead
    memory_gb_per_rgu: float

    def charged(self, cpus: int, memory_gb: float) -> float:
        """RGUs that a job is charged for while it runs: the largest of its three shares."""
        return max(self.rgu, cpus / self.cpus_per_rgu, memory_gb / self.memory_gb_per_rgu)


def device(name: str) -> Device | None:
    """The device that a request, SLURM, the driver or torch calls so; None if it is in no row."""
    return _by_name().get(_plain(name))


def device_name(name: str) -> str:
    """The one name of a device that has several; what is in no row keeps its own."""
    found = device(name)
    return found.name if found else name


def offers(cluster: str | None) -> dict[str, Offer]:
    """What a cluster lends, by the device's name, from small to large; None stands for the one that this machine is of.

    Empty where that is not known. Raises UserError for a name that is in no row.
    """
    if cluster is None:
        return _offers().get(os.environ.get("CC_CLUSTER", ""), {})
    if cluster not in _offers():
        known = ", ".join(_offers())
        raise UserError(f"cluster: {cluster} is not in i3d/cost/clusters.csv; take one of {known}, or write its rows")
    return _offers()[cluster]


@cache
def devices() -> dict[str, Device]:
    """All rows, by name."""
    found: dict[str, Device] = {}
    rows = {row["name"]: row for row in _rows("devices.csv")}
    for name, row in rows.items():
        whole = rows[row["of"]] if row["of"] else row
        share = float(row["multiprocessors"]) / float(whole["multiprocessors"])
        reach = share * float(whole["matrix_reach"])
        suffix = f"_{row['slice']}" if row["slice"] else ""
        found[name] = Device(
            name=name,
            names=(name, *row["spellings"].split(), _plain(whole["hardware"]) + suffix),
            memory_gb=float(row["memory_gb"]),
            bandwidth=float(row["bandwidth_gb_s"]) * float(whole["memory_reach"]),
            peaks={each: float(whole[each]) * reach for each in PRECISIONS if whole[each]},
        )
    return found


@cache
def _by_name() -> dict[str, Device]:
    return {name: each for each in devices().values() for name in each.names}


@cache
def _offers() -> dict[str, dict[str, Offer]]:
    found: dict[str, dict[str, Offer]] = {}
    for row in _rows("clusters.csv"):
        numbers = (float(row[name]) for name in ("rgu", "cpus_per_rgu", "memory_gb_per_rgu"))
        offer = Offer(devices()[row["device"]], row["asked_for"], *numbers)
        found.setdefault(row["cluster"], {})[offer.device.name] = offer
    return found


def _rows(table: str) -> Iterator[dict[str, str]]:
    with (TABLES / table).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _plain(name: str) -> str:
    """A name as SLURM derives it from the driver's or torch's: `NVIDIA A100-SXM4-40GB MIG 4g.20gb` and the like."""
    return name.strip().lower().replace(" mig ", "_").replace(" ", "_")
