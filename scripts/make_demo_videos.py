"""Make a small tree of videos to try the workflow on: moving shapes, one clip too short, one file that is no video."""

import argparse
from pathlib import Path

import av
import numpy as np

CLIPS = {  # path -> (frames, pixels the box moves per frame)
    "train_val/anomaly/burst.mp4": (34, 9),
    "train_val/anomaly_cropped/burst_cropped.mp4": (33, 9),
    "train_val/non_anomaly/calm.mp4": (49, 1),
    "test/anomaly/dash.mp4": (33, 7),
    "test/non_anomaly/still.mp4": (33, 0),
    "test/non_anomaly/short.mp4": (16, 1),
}
BROKEN = "test/anomaly/broken.mp4"
WIDTH, HEIGHT, RATE = 320, 240, 25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to put the tree")
    folder = parser.parse_args().folder
    for name, (frames, speed) in CLIPS.items():
        path = folder / name
        if not path.exists():
            write_clip(path, frames, speed)
    if not (folder / BROKEN).exists():
        (folder / BROKEN).write_bytes(b"this is no video")


def write_clip(path: Path, frames: int, speed: int) -> None:
    """Write a clip of a box that crosses a patterned floor at `speed` pixels per frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    floor = np.stack([(x + 2 * y) % 160 + 40, (x // 8 + y // 8) % 2 * 60 + 80, (2 * x + y) % 200], -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(frames):
            image = floor.copy()
            left = 20 + index * speed % (WIDTH - 80)
            image[90:150, left : left + 40] = (230, 60, 40)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


if __name__ == "__main__":
    main()
