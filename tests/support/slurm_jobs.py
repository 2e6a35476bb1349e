"""Jobs as Snakemake describes them to an executor."""

from types import SimpleNamespace


def job(rule, pipe_group=None, threads=1, local=False, **resources):
    return SimpleNamespace(name=rule, pipe_group=pipe_group, threads=threads, is_local=local, resources=resources)


def workflow(*jobs, executor="slurm", nodes=100):
    return SimpleNamespace(
        executor_plugin=SimpleNamespace(name=executor),
        dag=SimpleNamespace(needrun_jobs=lambda: jobs),
        resource_settings=SimpleNamespace(nodes=nodes),
        executor_settings=SimpleNamespace(jobname_prefix="i3d"),
    )


def pair(group="pipe", **resources):
    asks = {"slurm_account": "def-ours_gpu", "gres": "gpu:a100_4g.20gb:1", "cpus_per_task": 2, "mem_mb": 20480}
    asks |= {"runtime": 60, "slurm_partition": "gpubase_bygpu_b1"} | resources
    return [job("decode", group, threads=3, **asks), job("extract", group, **asks)]
