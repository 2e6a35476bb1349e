"""Files that belong to somebody else, and whether they are still there."""

from pathlib import Path


def plant(*folders: Path) -> None:
    """Put files of somebody else's into these folders, under names that ours resemble."""
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("notes.txt", "old.npy", "x__0.npy", "theirs.list", ".hidden.part", ".x.part"):
            (folder / name).write_bytes(f"{folder.name}/{name}".encode())


def snapshot(*folders: Path) -> dict[str, bytes]:
    """The content of every file below these folders, and where every link leads, by path."""
    found = {}
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_symlink():
                found[str(path)] = str(path.readlink()).encode()
            elif path.is_file():
                found[str(path)] = path.read_bytes()
    return found


def lost(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    """Paths whose content is gone or another."""
    return {path for path, content in before.items() if after.get(path) != content}
