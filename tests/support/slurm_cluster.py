"""A real SLURM with accounting on this machine's loopback, from Debian's packages, as root.

    with cluster():
        ...  # sinfo, sbatch, sacct and snakemake's slurm executor work

    python -m tests.support.slurm_cluster COMMAND...    # the same for a command, or for a shell

munged, mariadbd, slurmdbd, slurmctld and four slurmd run as children of this process and die with it.
Each node pretends to have 16 CPUs, 250 GiB, a few A100 slices of every MIG size Narval knows, and H100 slices.
On leaving, everything is taken back: daemons, jobs, state, cgroups and /etc/slurm/slurm.conf.
"""

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = "slurmctld slurmd slurmdbd slurm-client munge mariadb-server"
STATE_PREFIX = "slurm-"  # of the folder that everything lies in
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sinfo", "setpriv")

# Slurm's clients inside a job see no SLURM_CONF (Snakemake's jobstep plugin removes every SLURM_* variable)
# and slurmdbd ignores a munge socket named in its configuration: these two places are not ours to choose.
CONF = Path("/etc/slurm/slurm.conf")
MUNGE_SOCKET = Path("/run/munge/munge.socket.2")

NODES = ("ng1", "ng2", "ng3", "ng4")
FRAGILE = "fragile"  # a partition of the last two nodes, which a test may break while others run
H100, H100_LONG = "h100_2g.20gb", "nvidia_h100_80gb_hbm3_2g.20gb"  # as Rorqual and Nibi call it, and Fir
SLICES = {"a100": 1, "a100_1g.5gb": 2, "a100_2g.10gb": 2, "a100_3g.20gb": 2, "a100_4g.20gb": 4, H100: 1, H100_LONG: 1}
ACCOUNTS = ("def-test_cpu", "def-test_gpu")  # Narval lists a group's account in these two halves
LIMITED, QOS = "rrg-test_gpu", "small"  # an account and a QOS that tests may set limits on, one test at a time
PARTITIONS = {
    "cpubase_bycore_b1": "3:00:00",
    "gpubase_bygpu_b1": "3:00:00",
    "gpubase_bygpu_b5": "7-00:00:00",
    FRAGILE: "3:00:00",
}
MAX_SUBMIT = 1000
CGROUPS = [Path("/sys/fs/cgroup", controller) for controller in ("memory", "freezer")]

SLURM_CONF = """\
ClusterName=narvalish
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType={proctrack}
TaskPlugin={task}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
{over_memory}
ReturnToService=1
SlurmctldPidFile={state}/slurmctld.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdPidFile={state}/slurmd-%n.pid
SlurmdLogFile={state}/slurmd-%n.log
SlurmdSpoolDir={state}/spool-%n
StateSaveLocation={state}
SlurmdParameters=config_overrides
SchedulerParameters=bf_interval=2,sched_min_interval=100000,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
MinJobAge=300
KillWait=2
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd_port}
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu,{tres}
DefMemPerCPU=256
"""

NODE_LINE = (
    "NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=16 CoresPerSocket=16 "
    "RealMemory=256000 Gres={gres}\n"
)

CGROUP_CONF = """\
CgroupPlugin=cgroup/v1
CgroupAutomount=no
ConstrainRAMSpace=yes
ConstrainCores=no
ConstrainDevices=no
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
DbdHost=localhost
DbdPort={dbd_port}
SlurmUser=root
LogFile={state}/slurmdbd.log
PidFile={state}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={sql_port}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
"""

SQL = """\
CREATE DATABASE slurm_acct_db;
CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';
GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';
"""


class ClusterError(Exception):
    """The cluster cannot start here; the message says why."""


@contextlib.contextmanager
def cluster() -> Iterator[Path]:
    """Start the cluster and yield its state folder, where every daemon's log lies.

    Raises ClusterError when a package is missing, another SLURM is configured here, or a daemon does not come up.
    """
    _check_machine()
    with contextlib.ExitStack() as undo:
        state = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix=STATE_PREFIX, ignore_cleanup_errors=True)))
        start = Starter(state, undo)
        sql_port, dbd_port = _configure(state)
        CONF.symlink_to(state / "slurm.conf")
        undo.callback(CONF.unlink, missing_ok=True)
        _watch_over(state, undo)

        _start_munge(start)
        run("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={state}/sql", "--skip-test-db")
        start(
            f"mariadbd --no-defaults --user=root --datadir={state}/sql --socket={state}/sql.sock --port={sql_port}"
            f" --bind-address=127.0.0.1 --init-file={state}/init.sql --innodb-buffer-pool-size=64M"
            " --innodb-lock-wait-timeout=900",
            ready=lambda: _listens(sql_port),
        )
        start("slurmdbd -D", ready=lambda: _listens(dbd_port) and succeeds("sacctmgr", "-n", "list", "cluster"))
        run("sacctmgr", "-i", "add", "cluster", "narvalish")
        run("sacctmgr", "-i", "add", "qos", QOS)
        for account in (*ACCOUNTS, LIMITED):
            run("sacctmgr", "-i", "add", "account", account, "Description=test", "Organization=test")
            run("sacctmgr", "-i", "add", "user", "root", f"account={account}")
        run("sacctmgr", "-i", "modify", "user", "root", "set", f"qos+={QOS}")
        run("sacctmgr", "-i", "modify", "qos", "normal", "set", f"MaxSubmitJobsPerUser={MAX_SUBMIT}")
        start("slurmctld -D", ready=lambda: succeeds("scontrol", "ping"))
        undo.callback(_remove_cgroups)
        for node in NODES:
            start(f"slurmd -D -N {node}", ready=lambda node=node: run("sinfo", "-h", "-n", node, "-o", "%T") == "idle")
        undo.callback(_end_jobs)
        yield state


def run(*command: str) -> str:
    """Run a command and return what it printed, stripped; CalledProcessError, with its words, when it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


def succeeds(*command: str) -> bool:
    """Whether a command ends with 0 within five seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=5).returncode == 0
    return False


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 300) -> Any:
    """Ask until `condition()` is true and return its value; ClusterError naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.1)
    return value


class Starter:
    """Starts daemons that end with this process, or earlier when `undo` unwinds."""

    def __init__(self, state: Path, undo: contextlib.ExitStack) -> None:
        self.state, self.undo = state, undo

    def __call__(self, command: str, ready: Callable[[], bool]) -> None:
        """Start a daemon in the foreground of a session of its own, log its output, and wait until it is ready."""
        name = command.replace("/", " ").split(" --")[0].replace(" ", "_")
        with (self.state / f"{name}.out").open("w") as log:
            daemon = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *shlex.split(command)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=os.environ | {"SLURM_CONF": str(self.state / "slurm.conf")},  # the other files are sought beside it
            )
        self.undo.callback(_stop, daemon)
        try:
            wait_for(lambda: daemon.poll() is not None or ready(), name)
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self._logs()}") from None
        if daemon.poll() is not None:
            raise ClusterError(f"{name} ended with {daemon.returncode}\n{self._logs()}")

    def _logs(self) -> str:
        logs = [path for path in self.state.iterdir() if path.suffix in (".log", ".out")]
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in sorted(logs))


def _stop(daemon: subprocess.Popen) -> None:
    daemon.terminate()
    try:
        daemon.wait(20)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _check_machine() -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)} not found; as root: apt-get install {PACKAGES}")
    if os.geteuid() != 0:
        raise ClusterError("slurmd needs root")
    if _is_ours() and running_cluster() is None:  # left by a run that was killed
        shutil.rmtree(CONF.readlink().parent, ignore_errors=True)
        CONF.unlink()
    if CONF.exists():
        raise ClusterError(f"{CONF} exists: this machine has a SLURM already")
    _remove_cgroups()


def running_cluster() -> Path | None:
    """The state folder of a cluster of this module that runs here, if one does."""
    if not _is_ours():
        return None
    state = CONF.readlink().parent
    try:
        process = int((state / "slurmctld.pid").read_text())
        stat = Path(f"/proc/{process}/stat").read_text()
    except (OSError, ValueError):
        return None
    return state if "(slurmctld)" in stat and "(slurmctld) Z" not in stat else None


def _is_ours() -> bool:
    """Whether `slurm.conf` is a link into a state folder of this module."""
    return CONF.is_symlink() and CONF.readlink().parent.name.startswith(STATE_PREFIX)


def _watch_over(state: Path, undo: contextlib.ExitStack) -> None:
    """Take back the link and the state even if this process is killed: a shell reads from it until it is gone."""
    command = f'cat >/dev/null; [ "$(readlink {CONF})" = {state}/slurm.conf ] && rm -f {CONF}; rm -rf {state}'
    watcher = subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, start_new_session=True)
    undo.callback(watcher.communicate)


def _configure(state: Path) -> tuple[int, int]:
    """Write every configuration file; return the ports of the database and of slurmdbd."""
    sql_port, dbd_port, ctld_port, *node_ports = _free_ports(3 + len(NODES))
    host = socket.gethostname().split(".")[0]
    cgroups = all(os.access(folder, os.W_OK) for folder in CGROUPS)
    gres = ",".join(f"gpu:{name}:{count}" for name, count in SLICES.items())
    conf = SLURM_CONF.format(
        state=state,
        host=host,
        ctld_port=ctld_port,
        dbd_port=dbd_port,
        proctrack="proctrack/cgroup" if cgroups else "proctrack/linuxproc",
        task="task/cgroup" if cgroups else "task/none",
        over_memory="" if cgroups else "JobAcctGatherParams=OverMemoryKill",
        tres=",".join(f"gres/gpu:{name}" for name in SLICES),
    )
    gres_conf = "AutoDetect=off\n"
    for node, port in zip(NODES, node_ports, strict=True):
        conf += NODE_LINE.format(node=node, host=host, port=port, gres=gres)
        (state / f"spool-{node}").mkdir()
        for name, count in SLICES.items():  # a slice counts only if its device file exists; any file will do
            devices = [state / f"{node}-{name}-{index}" for index in range(count)]
            for device in devices:
                device.touch()
                gres_conf += f"NodeName={node} Name=gpu Type={name} File={device}\n"
    for name, limit in PARTITIONS.items():
        nodes = ",".join(NODES[2:] if name == FRAGILE else NODES[:2])
        default = "YES" if name == next(iter(PARTITIONS)) else "NO"
        conf += f"PartitionName={name} Nodes={nodes} Default={default} MaxTime={limit} DefaultTime=1:00:00\n"
    (state / "slurm.conf").write_text(conf)
    (state / "gres.conf").write_text(gres_conf)
    (state / "cgroup.conf").write_text(CGROUP_CONF)
    (state / "slurmdbd.conf").write_text(SLURMDBD_CONF.format(state=state, dbd_port=dbd_port, sql_port=sql_port))
    (state / "slurmdbd.conf").chmod(0o600)
    (state / "init.sql").write_text(SQL)
    return sql_port, dbd_port


def _start_munge(start: Starter) -> None:
    if succeeds("munge", "-n"):  # the machine's own will do
        return
    if not MUNGE_SOCKET.parent.exists():
        MUNGE_SOCKET.parent.mkdir()
        start.undo.callback(shutil.rmtree, MUNGE_SOCKET.parent)
    for left in (MUNGE_SOCKET, MUNGE_SOCKET.with_name(MUNGE_SOCKET.name + ".lock")):  # by a run that was killed
        left.unlink(missing_ok=True)
    key = start.state / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    start(
        f"munged --foreground --force --key-file={key} --socket={MUNGE_SOCKET} --pid-file={start.state}/munged.pid"
        f" --seed-file={start.state}/munge.seed --log-file={start.state}/munged.log",
        ready=lambda: succeeds("munge", "-n"),
    )


def _end_jobs() -> None:
    run("scancel", "--user=root")
    wait_for(lambda: not run("squeue", "-h"), "the last jobs to end")
    of_users = [folder for folder in _cgroups() if "uid_0" in folder.parts]
    wait_for(
        lambda: not any((folder / "cgroup.procs").read_text() for folder in of_users if folder.exists()),
        "the last processes of jobs to end",
    )


def _remove_cgroups() -> None:
    """Remove the nodes' control groups, with what a killed run left in them."""
    for folder in _cgroups():
        _kill_all(folder)
        folder.rmdir()


def _kill_all(folder: Path) -> None:
    """Kill the processes of a control group, which are jobs of a cluster that is no more."""

    def none_left() -> bool:
        processes = (folder / "cgroup.procs").read_text().split()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process), signal.SIGKILL)
        return not processes

    wait_for(none_left, f"the processes in {folder} to end", 20)


def _cgroups() -> list[Path]:
    """The folders of the nodes' control groups, the innermost first."""
    tops = [controller / f"slurm_{node}" for controller in CGROUPS for node in NODES]
    return [Path(folder) for top in tops for folder, _, _ in os.walk(top, topdown=False)]


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    with cluster():
        status = subprocess.run(sys.argv[1:] or [os.environ.get("SHELL", "bash")]).returncode
    sys.exit(status)
