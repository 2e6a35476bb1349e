"""Check weights before any video is decoded, in a process of its own: planning does without torch.

    python scripts/check_weights.py resources/i3d_r50_kinetics.pth --model i3d_r50

Ends with exit code 0, or 1 and a line on stderr that says why the file is refused. Memory and time are limited,
whatever it holds.
"""

import argparse
import resource
import sys
from pathlib import Path

from i3d.backbones import backbone
from i3d.errors import run_main
from i3d.network.weights import load_state_dict, most_bytes

SECONDS = 300  # of CPU time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="PyTorch file, safetensors, or another published format")
    parser.add_argument("--model", default="i3d_r50", help="network that they are for")
    arguments = parser.parse_args()
    network = backbone(arguments.model)
    limit_resources(most_bytes(network.expected_shapes()))
    load_state_dict(arguments.weights, network)


def limit_resources(largest: int) -> None:
    """Let this process take no more than a file of `largest` bytes could need, beyond what its libraries take."""
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 4 * largest,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


if __name__ == "__main__":
    run_main(main)
