"""Create or update the environment in .venv, with the Python that runs this: `make env`.

    make env PYTHON=python3.12      with another Python
    make env TORCH=cpu              with the smaller build of torch, for machines without an NVIDIA GPU

Nothing is downloaded before that Python is found fit, and nothing is done when the environment is as it should be. An
environment of another Python or torch, or one that was not finished, is built anew. Standard library only, and written
so that Python 3.6 gets as far as the sentence that refuses it.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ["envs/requirements.txt", "envs/requirements-dev.txt"]
FIT = [(3, 12), (3, 11), (3, 13)]  # Pythons with wheels of everything, Narval's first
SIZES = {  # of the download, and of .venv
    "cuda": "3.2 GB to download, 5.1 GB on disk",
    "cpu": "about 0.5 GB to download, 1.5 GB on disk",
}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment")
    parser.add_argument("--chosen", action="store_true", help="this Python was asked for: replace that of another")
    parser.add_argument("--torch", choices=["", "cuda", "cpu"], default="", help="build of torch; else as it is")
    args = parser.parse_args()
    stamp = args.venv / ".complete"
    have = read_stamp(args.venv, stamp)
    want = {
        "python": have.get("python") if have and not args.chosen else python_version(),
        "torch": args.torch or have.get("torch", "cuda"),
        "pins": pins_digest(),
    }
    if have == want:
        return
    if args.venv.exists() and not (args.venv / "pyvenv.cfg").exists() and any(args.venv.iterdir()):
        sys.exit(f"error: {args.venv} is a folder of yours and no environment; choose another with --venv")
    anew = (have.get("python"), have.get("torch")) != (want["python"], want["torch"])
    if anew:
        check_python()
        announce(args.venv, want["torch"])
    with contextlib.suppress(OSError):  # there is none
        stamp.unlink()
    try:
        if anew:
            shutil.rmtree(str(args.venv), ignore_errors=True)
            run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", args.venv)
            run(args.venv / "bin" / "python", "-m", "pip", "install", "--quiet", "uv")
        install(args.venv, want["torch"])
    except subprocess.CalledProcessError as error:
        other = "; with TORCH=cuda it takes the larger build, from the usual index" if want["torch"] == "cpu" else ""
        sys.exit(f"error: {' '.join(map(str, error.cmd[:5]))} ... failed, see above; `make env` starts anew{other}")
    stamp.write_text("".join(f"{key} {value}\n" for key, value in want.items()))
    print(f"Complete; `source {os.path.relpath(str(args.venv))}/bin/activate` makes its programs yours.")


def python_version() -> str:
    """Major and minor version of the Python that runs this."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def read_stamp(venv: Path, stamp: Path) -> dict:
    """What the environment was made with; empty if there is none that is finished and runs."""
    try:
        have = dict(line.split() for line in stamp.read_text().splitlines())
        run(venv / "bin" / "python", "-c", "")
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}
    return have


def pins_digest() -> str:
    """A digest of all that says what to install."""
    digest = hashlib.sha256()
    for name in [*PINS, "pyproject.toml"]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


def check_python() -> None:
    """End with a sentence if this Python is not fit to make the environment."""
    if sys.version_info[:2] not in FIT:
        here = [name for name in (f"python{major}.{minor}" for major, minor in FIT) if works(name)]
        advice = f"make env PYTHON={here[0]}" if here else "install one, then make env PYTHON=python3.12"
        sys.exit(
            f"error: the workflow needs Python 3.11, 3.12 (as on Narval) or 3.13; this one is {python_version()} "
            f"({sys.executable}); {advice}"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        sys.exit(
            f"error: {sys.executable} cannot make environments: it lacks {error.name}; "
            f"on Debian and Ubuntu the package python{python_version()}-venv brings it"
        )


def works(python: str) -> bool:
    """Whether there is a program of that name and it is a Python that runs."""
    try:
        return subprocess.call([python, "-c", ""], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def announce(venv: Path, torch: str) -> None:
    """Say what is about to happen and how large it is."""
    print(f"Building {os.path.relpath(str(venv))} with Python {python_version()}: {SIZES[torch]}.", flush=True)
    if torch == "cuda" and not Path("/proc/driver/nvidia").exists():
        print(f"There is no NVIDIA GPU here; `make env TORCH=cpu` takes {SIZES['cpu']}.", flush=True)


def install(venv: Path, torch: str) -> None:
    """Install the pinned packages, and the workflow's own so that edits count at once."""
    uv = [venv / "bin" / "uv", "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
    build = ["--torch-backend", "cpu"] if torch == "cpu" else []
    run(*uv, *build, *[argument for name in PINS for argument in ("-r", ROOT / name)])
    run(*uv, "--no-deps", "-e", ROOT)


def run(*command: object) -> None:
    """Run a command; raises CalledProcessError if it fails."""
    subprocess.check_call([str(part) for part in command])


if __name__ == "__main__":
    main()
