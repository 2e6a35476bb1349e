"""The tables of devices and clusters."""

import csv
import re

import pytest

from i3d.cost import devices as tables
from i3d.cost.devices import device, devices, main_name, offers
from i3d.errors import UserError
from i3d.specs import PRECISIONS


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("a100_4g.20gb", "a100_4g.20gb"),
        ("NVIDIA A100-SXM4-40GB MIG 4g.20gb", "a100_4g.20gb"),  # torch
        ("NVIDIA A100-SXM4-40GB", "a100"),
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "a100_3g.40gb"),
        ("nvidia_h100_80gb_hbm3_2g.20gb", "h100_2g.20gb"),  # SLURM, from the driver
        ("h100_2.20", "h100_2g.20gb"),  # Rorqual's and Nibi's short names
        ("h100_20gb", "h100_2g.20gb"),
        ("H100", "h100"),
        ("NVIDIA H200", "h200"),
        ("nvidia_l40s", "l40s"),
        ("Tesla V100-SXM2-32GB", "v100_32gb"),
    ],
)
def test_a_device_is_known_by_all_its_names(name, known):
    assert device(name).name == main_name(name) == known


def test_what_is_in_no_row_keeps_its_name():
    assert device("gtx_1080") is None and main_name("gtx_1080") == "gtx_1080"


def test_a_slice_has_its_share_of_the_peaks_and_no_more_than_the_whole():
    whole, half = devices()["a100"], devices()["a100_4g.20gb"]
    assert half.peak("bf16") == pytest.approx(312 * 56 / 108)
    assert half.bandwidth == pytest.approx(1555 / 2, rel=1e-3)
    for name, each in devices().items():
        of = next((one for one in ("a100_80gb", "a100", "h100", "h200") if name.startswith(f"{one}_")), name)
        assert each.memory_gb <= devices()[of].memory_gb or of == "a100", name
    assert whole.peak("tf32") == 156


def test_a_precision_without_an_arithmetic_of_its_own_takes_fp32s():
    assert devices()["v100"].peak("bf16") == devices()["v100"].peak("fp32") < devices()["v100"].peak("fp16")
    assert set(tables.PRECISIONS) == set(PRECISIONS)


@pytest.mark.parametrize("table", ["devices.csv", "clusters.csv"])
def test_every_row_says_where_it_is_from_and_when(table):
    with (tables.TABLES / table).open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        assert None not in row and len(row["source"]) > 5, row
        assert re.fullmatch(r"20\d\d-\d\d", row["date"]), row


@pytest.mark.parametrize(
    ("cluster", "name", "cpus", "memory", "rgu"),
    [
        ("narval", "a100_4g.20gb", 6, 40, 2.3),
        ("narval", "a100_4g.20gb", 7, 40, 7 / 3),
        ("narval", "a100_4g.20gb", 6, 93.3, 3.0),
        ("rorqual", "h100_2g.20gb", 4, 31, 3.48),
        ("fir", "h100_2g.20gb", 6, 40, 6 / 0.98),  # which is why its profile asks for three
        ("nibi", "h100_2g.20gb", 4, 62, 3.48),
    ],
)
def test_a_job_is_charged_for_its_largest_share(cluster, name, cpus, memory, rgu):
    assert offers(cluster)[name].charged(cpus, memory) == pytest.approx(rgu)


def test_a_cluster_is_the_one_named_or_this_machines(monkeypatch):
    monkeypatch.delenv("CC_CLUSTER", raising=False)
    assert offers(None) == {}
    monkeypatch.setenv("CC_CLUSTER", "fir")
    assert offers(None) == offers("fir") != offers("nibi")
    monkeypatch.setenv("CC_CLUSTER", "elsewhere")
    assert offers(None) == {}
    with pytest.raises(UserError, match="cluster: elsewhere is not in .*narval, rorqual, fir, nibi, trillium"):
        offers("elsewhere")


def test_fir_wants_the_long_names():
    assert offers("fir")["h100_2g.20gb"].asked_for == "nvidia_h100_80gb_hbm3_2g.20gb"
    for cluster in ("narval", "rorqual", "fir", "nibi", "trillium"):
        assert all(main_name(offer.asked_for) == name for name, offer in offers(cluster).items())
