"""A lock on a features tree: one run at a time, of any user on any host."""

import fcntl
import os
import socket
from datetime import datetime
from pathlib import Path
from typing import IO

from i3d.errors import UserError
from i3d.files import user_name, writing


def take_lock(path: Path) -> IO[str]:
    """Lock a features tree until the returned file is closed or this process ends, for whatever reason.

    A file system without locks lets every run pass. Raises UserError naming the holder when another run has the lock.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another run"
        file.close()
        raise UserError(
            f"features: {path.parents[1]} is locked by {holder}; wait for that run, or set 'features' elsewhere"
        ) from None
    except OSError:
        return file
    file.truncate(0)
    user, host = user_name(os.getuid()), socket.gethostname()
    file.write(f"{user}'s run on {host}, process {os.getpid()}, since {datetime.now():%F %T}\n")
    file.flush()
    return file
