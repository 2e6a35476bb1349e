"""The GPU that a job requests from a cluster, in any spelling."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

from i3d.cost.devices import main_name
from i3d.errors import UserError

_OPTION = re.compile(r"--(?:gres|gpus|gpus-per-(?:node|task|socket)|tres-per-(?:node|task|job))")


@dataclass(frozen=True)
class GpuRequest:
    """GPUs of one kind, and the other resources of the request."""

    model: str = ""  # as requested, such as `a100_4g.20gb`; empty: any GPU
    count: int = 1
    by: Literal["gres", "gpus", "slurm_extra"] = "gres"  # how it is requested
    others: tuple[str, ...] = ()  # other generic resources, such as `shard:1`

    @property
    def device(self) -> str:
        """The GPU's name in plans and calibrations; `gpu` for any."""
        return main_name(self.model) if self.model else "gpu"

    @property
    def gres(self) -> str:
        """The GPUs as a generic resource, such as `gpu:a100_4g.20gb:1`."""
        return ":".join(filter(None, ("gpu", self.model, str(self.count))))

    def refuse_several(self) -> None:
        """Raise UserError for more than one GPU: a bundle's job uses one, and would pay for all."""
        if self.count > 1:
            one = replace(self, count=1)
            raise UserError(
                f"The profile asks for {self.count} GPUs, `{self.gres}`, and a job uses one of them: write `{one.gres}`"
            )

    @property
    def options(self) -> str:
        """The options for sbatch, including other generic resources, but not those already in `slurm_extra`."""
        gres = ",".join((self.gres, *self.others) if self.by == "gres" else self.others)
        gpus = f"--gpus={self.gres.removeprefix('gpu:')}" if self.by == "gpus" else ""
        return " ".join(filter(None, (gpus, f"--gres={gres}" if gres else "")))


def read_request(resources: Mapping[str, Any]) -> GpuRequest | None:
    """Return the GPU in Snakemake's resources, from `gres`, `gpu` and `gpu_model`, or `slurm_extra`; None without."""
    gres = [*_entries(resources.get("gres"))]
    others = tuple(text for text, gpu in gres if gpu is None)
    if found := next((gpu for _, gpu in gres if gpu is not None), None):
        return GpuRequest(*found, by="gres", others=others)
    count, model = re.match(r"\d+", str(resources.get("gpu", ""))), str(resources.get("gpu_model") or "")
    number = int(count[0]) if count else bool(model)
    if number:
        return GpuRequest(model, int(number), by="gpus", others=others)
    for option in _options(str(resources.get("slurm_extra") or "")):
        if found := next((gpu for _, gpu in _entries(option) if gpu is not None), None):
            return GpuRequest(*found, by="slurm_extra", others=others)
    return None


def request_of_members(members: Iterable[Mapping[str, Any]]) -> GpuRequest | None:
    """Return the GPU of a job that several rules' jobs share: each of them names it."""
    return next((found for each in members if (found := read_request(each)) is not None), None)


def parse_gres(text: str) -> GpuRequest | None:
    """Return the GPU in generic resources as SLURM writes them, such as `gpu:a100:4(S:0-3)`."""
    return read_request({"gres": text})


def _entries(text: Any) -> Iterator[tuple[str, tuple[str, int] | None]]:
    """Yield each generic resource of a comma-separated list and, for a GPU, its model and count."""
    for entry in re.sub(r"\([^)]*\)", "", str(text or "")).split(","):
        plain = re.sub(r"^gres[:/]", "", entry.strip())
        kind, *rest = re.split("[:=]", plain)
        if not kind or kind == "(null)":
            continue
        if kind != "gpu":
            yield plain, None
            continue
        count = int(rest.pop()) if rest and rest[-1].isdigit() else 1
        yield plain, (rest[0] if rest else "", count)


def _options(extra: str) -> Iterator[str]:
    """Yield the values of sbatch's options for GPUs, each as a generic resource."""
    try:
        words = shlex.split(extra)
    except ValueError:
        return
    for word, following in pairwise([*words, ""]):
        name, equals, value = word.partition("=")
        value = value if equals else following
        if word.startswith("-G"):
            yield f"gpu:{word.removeprefix('-G') or following}"
        elif _OPTION.fullmatch(name):
            yield value if name.startswith(("--gres", "--tres")) else f"gpu:{value}"
