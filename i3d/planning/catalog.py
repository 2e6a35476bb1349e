"""The catalog: a cache of what is known of videos, features and weights, valid while size and times stay the same."""

import importlib.util
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from i3d.backbones import BACKBONES, register
from i3d.backbones.timm_image import TimmImage
from i3d.decoding.probe import Probe, probe_many
from i3d.digests import file_sha256, video_digest
from i3d.errors import UserError, warn_once
from i3d.files import read_json_or_none, write_atomically
from i3d.paths import is_clean
from i3d.planning.tree import Stamp, Video
from i3d.planning.weights_check import check_weights, described
from i3d.quantities import count
from i3d.settings import RANDOM

SAVE_SECONDS = 30  # of probing that an interrupted plan may lose
UNREAD = ""  # the digest of a video whose content could not be read


@dataclass(frozen=True)
class Known:
    """A video with its digest and probe."""

    file: Video
    digest: str
    probe: Probe


class VideoEntry(msgspec.Struct, frozen=True):
    """The catalog's entry for a video; `probed_for` are the settings that its probe depends on."""

    stamp: Stamp
    digest: str
    probed_for: list[Any]
    probe: Probe


class FeatureEntry(msgspec.Struct, frozen=True):
    """The catalog's entry for a feature file."""

    stamp: Stamp
    sha256: str


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    videos: dict[str, VideoEntry] = {}
    features: dict[str, FeatureEntry] = {}
    weights: list[tuple[str, str]] = []  # SHA-256 and model of weights that were found to fit
    towers: dict[str, TimmImage] = {}  # timm's description of image towers, by model


class Catalog:
    """The cache in a file. A file that is damaged or of another version is ignored."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = time.monotonic()
        self._changed = False
        self._content = read_json_or_none(path, _Content) or _Content()
        self._content.videos = {video: entry for video, entry in self.videos.items() if is_clean(video)}

    @property
    def videos(self) -> dict[str, VideoEntry]:
        """All entries, by path under the videos tree; the files may since have changed or gone."""
        return self._content.videos

    def learn(
        self, videos: list[Video], *, clip_length: int, fps: float | None, via_jpeg: bool | str = False
    ) -> list[Known]:
        """Return what is known of each video, in order, after reading and remembering new and changed ones.

        A video that cannot be read, or that crashes the prober, is not remembered: decoding will show what is wrong.
        Raises UserError when this Python cannot read videos at all.
        """
        folders = sum(video.is_folder for video in videos)
        if fps and folders:
            warn_once(
                f"fps: {count(folders, 'folder')} of pictures, like {next(v.video for v in videos if v.is_folder)}: "
                "pictures have no times, each is taken once"
            )
        probed_for = [clip_length, fps, *([via_jpeg] if via_jpeg else [])]
        known: dict[str, Known] = {}
        unknown: dict[Path, tuple[Video, str]] = {}
        for video in videos:
            old = self.videos.get(video.video)
            digest = old.digest if old is not None and old.stamp == video.stamp else _digest(video.path)
            if old is not None and old.digest == digest and old.probed_for == probed_for:
                known[video.video] = Known(video, digest, old.probe)
                if old.stamp != video.stamp:
                    self._remember(known[video.video], probed_for)
            elif digest == UNREAD:
                known[video.video] = Known(video, digest, Probe())
            else:
                unknown[video.path] = video, digest
        if unknown:
            _check_reader()
        probes = probe_many(list(unknown), clip_length=clip_length, fps=fps, via_jpeg=via_jpeg)
        for path, probe in probes:
            video, digest = unknown[path]
            known[video.video] = Known(video, digest, probe)
            if probe != Probe():
                self._remember(known[video.video], probed_for)
            if time.monotonic() - self._saved > SAVE_SECONDS:
                self.save()
        return [known[video.video] for video in videos]

    def check_weights(self, weights: str, sha256: str, model: str) -> None:
        """Raise UserError if these weights do not fit the model; each content is checked once."""
        if weights != RANDOM and (sha256, model) not in self._content.weights:
            check_weights(weights, model)
            self._content.weights.append((sha256, model))
            self._changed = True

    def know_model(self, model: str) -> None:
        """Make a tower of timm known to planning, asking timm once. Raises UserError if there is no such model."""
        if model not in BACKBONES:
            if model not in self._content.towers:
                self._content.towers[model] = described(model)
                self._changed = True
            register(self._content.towers[model])

    def sha256_of(self, feature: Path, name: str) -> str:
        """Return the SHA-256 of a feature file; `name` is its path under the features tree."""
        status = feature.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        old = self._content.features.get(name)
        if old is None or old.stamp != stamp:
            old = self._content.features[name] = FeatureEntry(stamp, file_sha256(feature))
            self._changed = True
        return old.sha256

    def save(self) -> None:
        """Write the file if anything is new. Errors are ignored: the next plan then reads those files again."""
        if self._changed:
            with suppress(UserError):
                write_atomically(self._path, msgspec.json.encode(self._content))
            self._changed = False
        self._saved = time.monotonic()

    def _remember(self, known: Known, probed_for: list[Any]) -> None:
        self.videos[known.file.video] = VideoEntry(known.file.stamp, known.digest, probed_for, known.probe)
        self._changed = True


def _digest(path: Path) -> str:
    try:
        return video_digest(path)
    except OSError:
        return UNREAD


def _check_reader() -> None:
    if importlib.util.find_spec("av") is None:
        raise UserError(
            f"{sys.executable} has no package 'av', which planning reads videos with; activate the workflow's "
            "environment (`make env` or profiles/install.sh makes it)"
        )
