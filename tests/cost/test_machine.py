"""Names of devices, as plans and self-checks file them."""

import pytest

from i3d.cost import machine

CPUINFO = (
    "processor\t: 0\nmodel name\t: AMD EPYC 9654  96-Core Processor\nflags\t\t: fpu avx2 avx512f amx_bf16 amx_tile\n"
)
NVRM = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build\nGCC version:  gcc 13.2\n"


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "cpuinfo").write_text(CPUINFO)
    return tmp_path


@pytest.fixture
def proc_with_gpu(proc):
    gpu = proc / "driver/nvidia/gpus/0000:01:00.0"
    gpu.mkdir(parents=True)
    (gpu / "information").write_text("Model: \t\t NVIDIA GeForce RTX 4070\nIRQ: 77\n")
    (proc / "driver/nvidia/version").write_text(NVRM)
    return proc


def test_a_job_is_filed_under_its_slice(proc):
    assert machine.device_name("gpu:a100_4g.20gb:1", "cuda", proc) == "a100_4g.20gb"
    assert machine.device_name("gpu:a100_4g.20gb:1", "auto", proc) == "a100_4g.20gb"
    assert machine.device_name("gpu:nvidia_h100_80gb_hbm3_2g.20gb:1", "cuda", proc) == "h100_2g.20gb"
    assert machine.device_name("gpu:1", "cuda", proc) == "gpu"


def test_a_job_that_leaves_its_gpu_alone_is_not_filed_under_the_slice(proc):
    assert machine.device_name("gpu:a100_4g.20gb:1", "cpu", proc) == "a CPU of a job for a100_4g.20gb"


def test_a_machine_is_filed_under_the_processor_that_computes(proc_with_gpu):
    assert machine.device_name("", "auto", proc_with_gpu) == "NVIDIA GeForce RTX 4070"
    assert machine.device_name("", "cpu", proc_with_gpu) == "AMD EPYC 9654 96-Core Processor"


def test_a_machine_without_a_gpu_is_filed_under_its_cpu(proc):
    assert machine.device_name("", "auto", proc) == "AMD EPYC 9654 96-Core Processor"
    assert machine.driver_version(proc) is None


def test_the_driver_and_the_instruction_sets(proc_with_gpu):
    assert machine.driver_version(proc_with_gpu) == "570.86.15"
    assert machine.instruction_sets(proc_with_gpu) == ["avx2", "avx512f", "amx_bf16"]


def test_a_gpu_computes_where_one_is_asked_for_or_there(proc, proc_with_gpu, tmp_path_factory):
    without = tmp_path_factory.mktemp("proc")
    assert machine.on_gpu("gpu:a100:1", "auto", without) and machine.on_gpu("", "auto", proc_with_gpu)
    assert not machine.on_gpu("gpu:a100:1", "cpu", without) and not machine.on_gpu("", "cuda", without)


def test_without_proc_the_system_is_asked(tmp_path):
    assert machine.device_name("", "auto", tmp_path)
    assert machine.instruction_sets(tmp_path) == []
