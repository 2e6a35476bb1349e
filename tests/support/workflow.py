"""The workflow on tiny clips in a folder of its own, with a hand on its processes."""

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import yaml

from i3d.records import journal
from i3d.records.record import OK
from tests.support.forked_snakemake import ForkedSnakemake
from tests.support.paths import ROOT
from tests.support.processes import hear_ctrl_c

PARTS = ("Snakefile", "rules", "scripts", "i3d", "config", "profiles", "envs")
CONFIG: dict[str, object] = yaml.safe_load((ROOT / ".test/trial.yaml").read_text())
CLIPS = {  # name -> frames; one bundle by CONFIG, two with at most TWO_BUNDLES frames in one
    "test/normal/a.mp4": 17,
    "test/normal/b.mp4": 9,
    "train_val/anomaly/c.mp4": 9,
    "train_val/anomaly/d.mp4": 9,
    "train_val/anomaly/e.mp4": 9,
}
TWO_BUNDLES = 40
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
TIMEOUT_SECONDS = 400


def write_clip(path: Path, frames: int, seed: int = 0) -> None:
    """Write a clip of 64x48 pixels whose content depends on `seed`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(np.roll(picture, 3 * index, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


class Workflow:
    """A folder with the workflow's files, or copies of them that a test may edit, and a tree of clips."""

    def __init__(
        self,
        folder: Path,
        clips: dict[str, int] = CLIPS,
        *,
        copied: bool = False,
        existing: bool = False,
        **config: object,
    ) -> None:
        self.folder = folder
        self.config = CONFIG | config
        folder.mkdir(parents=True, exist_ok=True)
        for name in () if existing else PARTS:
            if not copied:
                (folder / name).symlink_to(ROOT / name)
            elif (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name)
            else:
                shutil.copy(ROOT / name, folder / name)
        for seed, (name, frames) in enumerate(clips.items()):
            write_clip(self.video(name), frames, seed)

    def video(self, name: str) -> Path:
        return self.folder / str(self.config["videos"]) / name

    def feature(self, name: str) -> Path:
        return self.folder / str(self.config["features"]) / name

    @property
    def work(self) -> Path:
        return self.feature(".i3d")

    def settings(self, **config: object) -> list[str]:
        """This project's settings and others, as arguments."""
        return ["--config", *(f"{key}={value}" for key, value in (self.config | config).items())]

    def command(self, *arguments: str, **config: object) -> list[str]:
        """Snakemake with arguments and settings."""
        return [*SNAKEMAKE, *arguments, *self.settings(**config)]

    def start(self, *arguments: str, cores: int = 1, prefix: tuple[str, ...] = (), **config: object) -> "Run":
        """Start Snakemake in a session of its own, by a program `prefix` if one is given."""
        command = self.command("--cores", str(cores), "--nocolor", *arguments, **config)
        return Run(self.folder, [*prefix, *command])

    def run(self, *arguments: str, ok: bool = True, **more: object) -> str:
        """Run Snakemake to its end; returns its output."""
        run = self.start(*arguments, **more)  # type: ignore[arg-type]
        code, output = run.end()
        assert (code == 0) == ok, output + self.log("")
        return output

    def unlock(self) -> None:
        """Do as `snakemake --unlock`, in less time."""
        shutil.rmtree(self.folder / ".snakemake/locks", ignore_errors=True)

    def planned(self, *arguments: str, **config: object) -> set[str]:
        """The features that a dry run would make."""
        prefix = f"    output: {self.config['features']}/"
        lines = self.run("-n", *arguments, **config).replace(".npy (update)", ".npy").splitlines()
        return {line.removeprefix(prefix) for line in lines if line.startswith(prefix) and line.endswith(".npy")}

    def features(self) -> dict[str, bytes]:
        """The features in place."""
        tree = self.feature("")
        paths = (path.relative_to(tree) for path in tree.rglob("*.npy"))
        return {str(path): (tree / path).read_bytes() for path in paths if path.parts[0] != ".i3d"}

    def staged(self) -> dict[str, bytes]:
        """The features in staging that are on record, by their paths."""
        staging = self.work / "staging"
        records = (record for path in (self.work / "journals").glob("*.jsonl") for record in journal.read(path))
        found = (record.feature_file for record in records if record.status == OK)
        return {name: (staging / name).read_bytes() for name in found if (staging / name).exists()}

    def work_files(self) -> set[str]:
        """The files in the work folder; of those that are named after a bundle or plan, the folder."""
        found = {path.relative_to(self.work) for path in self.work.rglob("*") if not path.is_dir()}
        return {
            str(path.parent) if path.parts[0] in ("journals", "plans", "bundles", "extracted") else str(path)
            for path in found
        }

    def metadata(self) -> dict[str, dict[str, str]]:
        with self.feature("metadata.csv").open(newline="") as file:
            return {row["video"]: row for row in csv.DictReader(file)}

    def runs(self) -> list[dict]:
        return json.loads(self.feature("feature_config.txt").read_text())

    def log(self, stage: str) -> str:
        """All that was logged of a stage, or of all for "", in the order of writing."""
        paths = sorted(
            filter(Path.is_file, (self.folder / "logs" / stage).rglob("*")), key=lambda path: path.stat().st_mtime_ns
        )
        return "".join(path.read_text() for path in paths)

    def processes(self, script: str) -> list[int]:
        """The running processes of one of the scripts, here."""
        return [pid for pid, command in _processes_in(self.folder) if f"scripts/{script}.py" in command]

    def orphans(self) -> list[int]:
        """All processes that work here."""
        return [pid for pid, _ in _processes_in(self.folder)]


class Run:
    """A running Snakemake."""

    def __init__(
        self, folder: Path, command: list[str], before: Callable[[], None] | None = None, **environment: str
    ) -> None:
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | environment
        self._began = time.monotonic()
        self._output = folder / f"output.{time.monotonic_ns()}"
        self.process: ForkedSnakemake | subprocess.Popen[bytes]
        if command[:3] == SNAKEMAKE:
            self.process = ForkedSnakemake(command[3:], folder, self._output, environment, before)
            return
        with self._output.open("w") as file:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=hear_ctrl_c,
            )

    @property
    def going(self) -> bool:
        return self.process.poll() is None

    def older_than(self, seconds: float) -> bool:
        return time.monotonic() - self._began > seconds

    def signal_all(self, number: int) -> None:
        """Send a signal to Snakemake and its jobs, as a terminal or a batch system does."""
        os.killpg(self.process.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait; returns the exit status and all output."""
        try:
            code = self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.signal_all(signal.SIGKILL)
            raise AssertionError(f"it hangs: {self._output.read_text()}") from None
        return code, self._output.read_text()


def watch(folder: Path, output: str) -> str:
    """What the command by which a run can be watched says in a folder, now that the run is over."""
    hint = re.search(r"`python ([^`]*)` shows this run", output)
    assert hint, output
    command = [sys.executable, *shlex.split(hint[1])]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stderr


def wait_until(condition: Callable[[], object], going: Callable[[], bool] = lambda: True) -> bool:
    """Wait until something is so; False if `going` ends first."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if not going():
            return bool(condition())
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return True


def _processes_in(folder: Path) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder.resolve():
                    command = (entry / "cmdline").read_bytes()
                    if command:  # not a zombie
                        yield int(entry.name), command.decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
