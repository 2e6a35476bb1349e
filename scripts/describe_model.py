"""Say of a model what planning must know and its library alone can tell, in a process of its own.

    python scripts/describe_model.py timm:vit_small_patch14_dinov2.lvd142m

Prints one line of JSON: width, input size, work; or, with exit code 1, on stderr why there is no such model.
"""

import argparse
import sys

import msgspec

from i3d.backbones import backbone
from i3d.errors import run_main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="as the configuration names it")
    sys.stdout.buffer.write(msgspec.json.encode(backbone(parser.parse_args().model)) + b"\n")


if __name__ == "__main__":
    run_main(main)
