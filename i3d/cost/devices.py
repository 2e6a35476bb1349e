"""GPUs, slices of GPUs, and what clusters charge for them, read from two tables.

devices.csv has a device's memory, multiprocessors, bandwidth, and dense TFLOP/s by precision. A slice is `of` a GPU and
has a share of its peaks. The reaches are the parts of its peaks that a GPU sustains, relative to an A100. clusters.csv
has the devices that a cluster offers, their names in requests there, and the charges.
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

    name: str  # in plans and calibrations, such as `a100_4g.20gb`
    names: tuple[str, ...]  # all its names, normalised by `_plain`: SLURM's, the clusters' short ones, the driver's
    memory_gb: float
    bandwidth: float  # sustained GB/s
    peaks: dict[str, float]  # sustained TFLOP/s by supported precision

    def peak(self, precision: str) -> float:
        """Return TFLOP/s in this precision, or in fp32 where the device does not support it."""
        return self.peaks.get(precision, self.peaks["fp32"])


@dataclass(frozen=True)
class Offer:
    """A device as a cluster offers it and charges for it, in reference GPU units (RGU)."""

    device: Device
    asked_for: str  # its name in requests there
    rgu: float
    cpus_per_rgu: float  # a job with more CPUs or memory per RGU is charged by these
    memory_gb_per_rgu: float

    def charged(self, cpus: int, memory_gb: float) -> float:
        """Return the RGUs that a job is charged for while it runs: the largest of its three shares."""
        return max(self.rgu, cpus / self.cpus_per_rgu, memory_gb / self.memory_gb_per_rgu)


def device(name: str) -> Device | None:
    """Return the device with this name in requests, SLURM, the driver or torch; None if it is in no row."""
    return _by_name().get(_plain(name))


def main_name(name: str) -> str:
    """Return the main name of a device, or the same name if it is in no row."""
    found = device(name)
    return found.name if found else name


def offers(cluster: str | None) -> dict[str, Offer]:
    """Return what a cluster offers, by the device's name, from small to large; None: the cluster of this machine.

    Empty if that cluster is unknown. Raises UserError for a name that is in no row.
    """
    if cluster is None:
        return _offers().get(os.environ.get("CC_CLUSTER", ""), {})
    if cluster not in _offers():
        known = ", ".join(_offers())
        raise UserError(f"cluster: {cluster} is not in i3d/cost/clusters.csv; take one of {known}, or write its rows")
    return _offers()[cluster]


@cache
def devices() -> dict[str, Device]:
    """Return all devices, by name."""
    by_name: dict[str, Device] = {}
    rows = {row["name"]: row for row in _rows("devices.csv")}
    for name, row in rows.items():
        whole = rows[row["of"]] if row["of"] else row
        share = float(row["multiprocessors"]) / float(whole["multiprocessors"])
        reach = share * float(whole["matrix_reach"])
        suffix = f"_{row['slice']}" if row["slice"] else ""
        by_name[name] = Device(
            name=name,
            names=(name, *row["spellings"].split(), _plain(whole["hardware"]) + suffix),
            memory_gb=float(row["memory_gb"]),
            bandwidth=float(row["bandwidth_gb_s"]) * float(whole["memory_reach"]),
            peaks={each: float(whole[each]) * reach for each in PRECISIONS if whole[each]},
        )
    return by_name


@cache
def _by_name() -> dict[str, Device]:
    return {name: each for each in devices().values() for name in each.names}


@cache
def _offers() -> dict[str, dict[str, Offer]]:
    by_cluster: dict[str, dict[str, Offer]] = {}
    for row in _rows("clusters.csv"):
        numbers = (float(row[name]) for name in ("rgu", "cpus_per_rgu", "memory_gb_per_rgu"))
        offer = Offer(devices()[row["device"]], row["asked_for"], *numbers)
        by_cluster.setdefault(row["cluster"], {})[offer.device.name] = offer
    return by_cluster


def _rows(table: str) -> Iterator[dict[str, str]]:
    with (TABLES / table).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _plain(name: str) -> str:
    """Normalise a name as SLURM does with the driver's or torch's, such as `NVIDIA A100-SXM4-40GB MIG 4g.20gb`."""
    return name.strip().lower().replace(" mig ", "_").replace(" ", "_")
