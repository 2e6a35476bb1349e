"""A worker that looks into videos and dies of those named for it: `python -m hostile_samples`."""

import os
import signal

from i3d.selfcheck import samples

describe = samples.describe


def dying(path):
    if path.stem == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return describe(path)


if __name__ == "__main__":
    samples.describe = dying
    samples.main()
