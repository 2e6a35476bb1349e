"""repack.py WHEEL FOLDER: the same wheel with LZMA inside, which pip reads and which is a quarter smaller."""

import sys
import zipfile
from pathlib import Path

wheel, folder = map(Path, sys.argv[1:])
with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(folder / f".{wheel.name}", "w", zipfile.ZIP_LZMA) as new:
    for entry in old.infolist():
        info = zipfile.ZipInfo(entry.filename, entry.date_time)
        info.external_attr, info.compress_type = entry.external_attr, zipfile.ZIP_LZMA
        new.writestr(info, old.read(entry))
(folder / f".{wheel.name}").replace(folder / wheel.name)
