"""Jobs as Snakemake describes them to an executor, and an executor that composes its calls as the real one does."""

import subprocess
from types import SimpleNamespace

import snakemake_executor_plugin_slurm as plugin


class Job:
    """A job, or a group of jobs that share one pipe."""

    def __init__(
        self, *rules: str, threads: int = 1, local: bool = False, bundle: str = "", **resources: object
    ) -> None:
        one = SimpleNamespace
        self.jobs = [
            one(
                rule=one(name=rule),
                threads=threads,
                wildcards=one(bundle=bundle) if bundle else one(),
                resources=resources,
                log=[],
                jobid=number,
            )
            for number, rule in enumerate(rules)
        ]
        self.name = "_".join(rules)
        self.is_local = local
        self.threads = threads * len(rules)
        self.attempt, self.restart_times = 1, 2
        # As Snakemake does for the members of a pipe: numbers are added up, but for the time limit.
        factor = len(rules)
        self.resources = {
            name: value * factor if isinstance(value, int) and name != "runtime" else value
            for name, value in resources.items()
        }
        self.rule, self.log, self.wildcards, self.jobid = self.jobs[0].rule, [], self.jobs[0].wildcards, 0

    def is_group(self) -> bool:
        return len(self.jobs) > 1


set_gres_string = plugin.set_gres_string  # looked up here, as the real executor does in its own module


class Executor:
    """Composes its call as the plugin does, from some of the resources."""

    run_uuid = "i3d_0123"
    wait = True

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.errors: list[str] = []
        self.answers: list[str] = []  # of sbatch, to come; none: it takes the job

    def run_job(self, job: Job) -> None:
        call = f"sbatch --parsable --job-name {self.run_uuid} --output 'logs/%j.log' --comment rule_{job.name}"
        resources = job.resources
        for option, name in (
            ("-A", "slurm_account"),
            ("-p", "slurm_partition"),
            ("-t", "runtime"),
            ("--mem", "mem_mb"),
        ):
            call += f" {option} {resources[name]}" if resources.get(name) else ""
        call += f" --qos={resources['qos']}" if resources.get("qos") else ""
        call += f" --cpus-per-task={resources.get('cpus_per_task') or job.threads} {resources.get('slurm_extra', '')}"
        call += set_gres_string(job) + " /dev/stdin"
        subprocess.Popen(call, shell=True)

    def report_job_error(self, job_info: SimpleNamespace, msg: str = "", **more: object) -> None:
        self.errors.append(msg)


def workflow(*jobs, executor="slurm", nodes=100):
    return SimpleNamespace(
        executor_plugin=SimpleNamespace(name=executor),
        dag=SimpleNamespace(needrun_jobs=lambda: jobs, get_job_group=lambda job: None),
        resource_settings=SimpleNamespace(nodes=nodes),
        executor_settings=SimpleNamespace(init_seconds_before_status_checks=40),
        scheduler=SimpleNamespace(_executor=Executor()),
        dryrun=False,
    )


def pair(**resources):
    """The two rules of a bundle, which share a pipe and are one job."""
    asks = {"slurm_account": "def-ours_gpu", "gres": "gpu:a100_4g.20gb:1", "cpus_per_task": 2, "mem_mb": 20480}
    return Job("decode", "extract", **asks | {"runtime": 60, "slurm_partition": "gpubase_bygpu_b1"} | resources)


def look_often() -> None:
    """Let the real executor ask for its jobs' states as often at the end as at the start, in this process."""
    first = property(lambda self: self.workflow.executor_settings.init_seconds_before_status_checks, lambda *_: None)
    plugin.Executor.next_seconds_between_status_checks = first
