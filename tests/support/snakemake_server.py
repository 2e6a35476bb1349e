"""Run by the Python of any environment: loads its Snakemake once, and is then Snakemake for each line on stdin.

A line is the JSON of the folder to run in, the file for what it prints, and its arguments; the answer is a line too.
"""

import json
import os
import sys

from snakemake import cli
from snakemake.executors import local  # noqa: F401  which is otherwise loaded for each line

for line in sys.stdin:
    folder, output, arguments = json.loads(line)
    if (child := os.fork()) == 0:
        os.chdir(folder)
        file = os.open(output, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = [cli.__file__.replace("cli.py", "__main__.py"), *arguments]
        cli.main()
    os.waitpid(child, 0)
    print("ended", flush=True)
