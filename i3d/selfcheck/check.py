"""The self-check from beginning to end; each step says what it found as it goes."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from i3d.backbones import backbone, i3d_r50
from i3d.cost import machine
from i3d.cost.calibration import Calibration, DecodeSpeed, NetworkSpeed, Recommendation
from i3d.errors import UserError
from i3d.network.engine import Engine, choose_device
from i3d.network.weights import load_state_dict
from i3d.planning.tree import find_videos
from i3d.quantities import size
from i3d.selfcheck import decode_speed, facts, numerics, pipe_speed, reference, throughput
from i3d.selfcheck.classes import Classifier
from i3d.selfcheck.numerics import Verdict
from i3d.selfcheck.recommend import recommend
from i3d.selfcheck.samples import Sample, choose
from i3d.settings import RANDOM, JobSettings, NumericSettings, Settings
from i3d.specs import PRECISIONS

SHOWN_VIDEOS = 3  # whose classes are printed
SHOWN_AFTER = 250  # frames, where the videos are that long: many begin with a title or nothing at all
MIB = 2**20


@dataclass(frozen=True)
class Budget:
    """How long the steps may take, in seconds each, and how many kinds of videos are looked at."""

    network: float
    decoding: float
    pipe: float
    kinds: int


GPU_BUDGET = Budget(network=5, decoding=4, pipe=60, kinds=6)
CPU_BUDGET = Budget(network=3, decoding=2, pipe=10, kinds=3)


@dataclass
class SelfCheck:
    """The steps, in order, and what they leave for the calibration. `say` takes a line of the report."""

    settings: Settings
    gres: str  # what the profile asks for, empty without a cluster
    cpus: int
    say: Callable[[str], None]
    passed: dict[str, Verdict] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    network: list[NetworkSpeed] = field(default_factory=list)
    decoding: list[DecodeSpeed] = field(default_factory=list)
    samples: list[list[Sample]] = field(default_factory=list)
    start_seconds: float = 0.0
    pipe_frames_per_second: float | None = None
    recommended: Recommendation | None = None
    fp32_features: dict[str, np.ndarray] = field(default_factory=dict)  # of the reference clip, by whose weights

    def __post_init__(self) -> None:
        self.device = choose_device(self.settings.device)
        self.on_gpu = self.device.type == "cuda"
        self.budget = GPU_BUDGET if self.on_gpu else CPU_BUDGET
        self.numeric = self.settings.numeric(RANDOM)
        self.facts = facts.gather(self.device)
        self.backbone = backbone(self.settings.model)
        self.is_i3d = isinstance(self.backbone, i3d_r50.I3D)
        self.reference = (
            reference.reference_weights(self.settings.model) if self.is_i3d else self.backbone.random_weights()
        )
        self.weights = self._users_weights()
        torch.set_num_threads(self.cpus)

    def run(self) -> Calibration:
        """Do all steps. Raises UserError when nothing can be checked; a wrong fp32 is in the calibration."""
        self._heading("Machine")
        for name, fact in self.facts.items():
            self._line(name, fact)
        self._numbers()
        if "fp32" in self.passed:
            self._speed()
        if "fp32" in self.passed and "fp32" not in self.failed:
            self._decoding()
            if any(speed.precision == "fp32" for speed in self.network):
                self._together()
                self._recommend()
            else:
                self._heading("Recommended")
                self._line("nothing", "fp32 has no speed here: ask for a larger GPU or slice")
        return self._calibration()

    # Numbers ----------------------------------------------------------------------------------------------------------

    def _numbers(self) -> None:
        self._heading("Numbers: relative error of the worst of ten crops")
        for precision in PRECISIONS:
            if reason := numerics.why_left_out(precision, self.device):
                self._line(precision, f"left out: {reason}")
                continue
            verdict = self._first_failure(precision)
            if verdict.passed:
                self.passed[precision] = verdict
                self._line(precision, f"right, {verdict}")
            else:
                self.failed[precision] = str(verdict)
                self._line(precision, f"WRONG, {verdict}: runs on this device will refuse it")

    def _first_failure(self, precision: str) -> Verdict:
        """The first check that fails, or the first of all."""
        verdicts = self._verdicts(precision)
        stored = next(verdicts)
        return next((each for each in (stored, *verdicts) if not each.passed), stored)

    def _verdicts(self, precision: str) -> Iterator[Verdict]:
        if self.is_i3d:
            snippet = reference.reference_snippet()
            stored = reference.reference_features(self.settings.model)
            yield numerics.compare_features(self._features(self.reference, precision, snippet), stored, precision)
        else:
            snippet = reference.reference_snippet(self.numeric.rule.frames_used)
            yield self._compared_with_plain("seeded weights", self.reference, precision, snippet)
        yield numerics.check_layers(
            self.backbone.plain(self.reference), self._centre_crop(snippet), self.device, precision
        )
        if self.weights is not None:
            yield self._compared_with_plain(self.settings.weights, self.weights, precision, snippet)

    def _compared_with_plain(
        self, name: str, weights: dict[str, Tensor], precision: str, snippet: np.ndarray
    ) -> Verdict:
        """Compare fp32 with the plain network's centre crop by plain kernels, and other precisions with fp32."""
        found = self._features(weights, precision, snippet)
        if precision == "fp32":
            expected = numerics.plain_features(self.backbone.plain(weights), self._centre_crop(snippet), self.device)
            verdict = numerics.compare_features(found[:, 2:3], expected, precision)
            self.fp32_features[name] = found
        else:
            verdict = numerics.compare_features(found, self.fp32_features[name], precision)
        return Verdict(verdict.error, verdict.tolerance, f"{verdict.where} with {name}")

    def _centre_crop(self, snippet: np.ndarray) -> Tensor:
        return numerics.centre_crop(snippet, self.backbone, self._reference_normalization)

    @property
    def _reference_normalization(self) -> str:
        return reference.NORMALIZATION if self.is_i3d else self.numeric.normalization

    def _features(self, weights: dict[str, Tensor], precision: str, snippet: np.ndarray) -> np.ndarray:
        """Features (B, 10, dim) of a full batch of the snippet, as the reference has them."""
        engine = self._engine(
            weights, precision, sample_mode=reference.SAMPLE_MODE, normalization=self._reference_normalization
        )
        return engine.launch(throughput.full_batch(engine, snippet)).collect()

    def _users_weights(self) -> dict[str, Tensor] | None:
        path = Path(self.settings.weights)
        if self.settings.weights == RANDOM or not path.exists():
            return None
        return load_state_dict(path, self.backbone)

    # Speed ------------------------------------------------------------------------------------------------------------

    def _speed(self) -> None:
        self._heading("Speed of the network")
        snippet = reference.reference_snippet(self.numeric.rule.frames_used)
        expected: np.ndarray | None = None  # by the first engine, in fp32
        for precision in self.passed:
            for batch_size in throughput.BATCH_SIZES if self.on_gpu else (self.settings.batch_size,):
                engine = self._engine(self.weights or self.reference, precision, batch_size=batch_size)
                try:
                    speed = throughput.measure(engine, snippet, precision, self.budget.network)
                except UserError as error:
                    self._line(precision, str(error))
                    break
                halved = self.on_gpu and speed.batch_size < batch_size
                if halved:
                    self._line(precision, f"batches of {batch_size} do not fit into the memory")
                    if any(each.precision == precision for each in self.network):
                        break
                self.network.append(speed)
                self._line(precision, _in_words(speed, self.settings.frequency))
                if self.on_gpu:  # where another batch size means other kernels
                    features = engine.launch(throughput.full_batch(engine, snippet)).collect()
                    expected = features[0] if expected is None else expected
                    verdict = numerics.compare_features(features, expected, precision)
                    if not verdict.passed:
                        self._fails_after_all(precision, f"{verdict} in batches of {speed.batch_size}")
                        break
                if halved:
                    break
            if self.on_gpu:
                self._memory(precision, snippet)

    def _fails_after_all(self, precision: str, reason: str) -> None:
        self.failed[precision] = reason
        self.network = [speed for speed in self.network if speed.precision != precision]
        self._line(precision, f"WRONG, {reason}: runs on this device will refuse {precision}")

    def _memory(self, precision: str, snippet: np.ndarray) -> None:
        """Make a batch run out of memory, and see that the features stay the same."""
        speeds = [speed for speed in self.network if speed.precision == precision]
        if not speeds or speeds[-1].batch_size < 2 or speeds[-1].peak_memory_mb is None:
            return
        largest = speeds[-1]
        engine = self._engine(self.weights or self.reference, precision, batch_size=largest.batch_size)
        try:
            shortage = throughput.gpu_memory_limit(0.7 * (largest.peak_memory_mb or 0.0))
            halved, verdict = throughput.check_halving(engine, snippet, precision, shortage)
        except UserError as error:
            self._line("too little memory", str(error))
            return
        if verdict.passed:
            self._line("too little memory", f"goes on with batches of {halved}, {verdict}")
        else:
            self._fails_after_all(precision, f"{verdict} after a batch was halved")

    def _decoding(self) -> None:
        self._heading("Decoding your videos, frames a second")
        settings = self.settings
        try:
            found = find_videos(
                Path(settings.videos), settings.extensions, settings.subsets, frame_folders=settings.frame_folders
            ).videos
        except UserError as error:
            self._line("none", f"{error}")
            return
        paths = [video.path for video in found]
        self.samples = choose(paths, self.budget.kinds, clip_length=settings.clip_length, processes=self.cpus)
        if not self.samples:
            self._line("none", f"no video under {settings.videos} gives a snippet")
        for samples in list(self.samples):
            kind = samples[0]
            speeds = []
            for processes in decode_speed.process_counts(self.cpus):
                speed = decode_speed.measure(samples, processes, self.budget.decoding, *self._decoding_settings())
                if speed is not None:
                    speeds.append(speed)
            if not speeds:
                self.samples.remove(samples)
                self._line(str(kind), "cannot be decoded")
                continue
            self.decoding += speeds
            text = ", ".join(f"{speed.frames_per_second:,.0f} by {speed.processes}" for speed in speeds)
            wrong = decode_speed.check_resize(kind.width, kind.height)
            resized = "resized as Pillow does" if not wrong else "resized OTHERWISE THAN PILLOW: please report this"
            self._line(str(kind), f"{text}; {resized}")

    def _together(self) -> None:
        self._heading("Together")
        precision = self._precision_to_run()
        best = throughput.smallest_good_batch([speed for speed in self.network if speed.precision == precision])
        fp32 = next(speed for speed in self.network if speed.precision == "fp32")
        rule = msgspec.structs.replace(self.numeric, frequency=self.numeric.clip_length, fps=None, via_jpeg=False)
        self.start_seconds = pipe_speed.start_seconds(self._extract_options(), rule, fp32.snippets_per_second)
        self._line("start", f"{self.start_seconds:.1f} s from an extract job's start to its first batch")
        if not self.samples:
            return
        processes = max(1, self.cpus - 1) if self.on_gpu else self.cpus
        engine = self._engine(self.weights or self.reference, precision, batch_size=best.batch_size)
        samples = self.samples[0]
        decode_options = self._decode_options(processes)
        rate = pipe_speed.measure(engine, samples, self.numeric, decode_options, self.budget.pipe)
        if rate is None:
            self._line(str(samples[0]), f"not enough came in {self.budget.pipe:.0f} s to tell")
        else:
            self.pipe_frames_per_second = rate * self.settings.frequency
            decode_rate = max(
                speed.frames_per_second
                for speed in self.decoding
                if (speed.width, speed.height, speed.codec) == samples[0].kind
            )
            network_rate = best.snippets_per_second * self.settings.frequency
            share = self.pipe_frames_per_second / pipe_speed.expected_rate(decode_rate, network_rate, self.on_gpu)
            note = "" if share >= pipe_speed.ENOUGH else ": less than it should be; was the machine busy?"
            stages = "of its slowest stage" if self.on_gpu else "of what its stages reach one after the other"
            self._line(
                str(samples[0]), f"{self.pipe_frames_per_second:,.1f} frames a second, {share:.2f} {stages}{note}"
            )
        self._classes(engine)

    def _classes(self, engine: Engine) -> None:
        """Print what the published classifier sees some seconds into a few videos, if the weights have one."""
        classifier = Classifier.load(Path(self.settings.weights), self.backbone) if self.weights is not None else None
        if classifier is None:
            return
        self._heading("What the network sees: do the actions resemble your videos?")
        length = self.settings.clip_length
        for sample in islice(chain.from_iterable(self.samples), SHOWN_VIDEOS):
            frames = decode_speed.first_frames(sample, length + SHOWN_AFTER, *self._decoding_settings())
            if len(frames) < length:
                continue
            features = engine.launch(torch.from_numpy(frames[None, -length:])).collect()[0]
            text = ", ".join(f"{name} {likely:.0%}" for name, likely in classifier.likeliest(features))
            self._line(sample.path.name, f"from frame {len(frames) - length}: {text}")

    # Results ----------------------------------------------------------------------------------------------------------

    def _recommend(self) -> None:
        settings = self.settings
        self.recommended = recommend(
            self.network,
            self.decoding,
            frequency=settings.frequency,
            cpus=self.cpus,
            on_gpu=self.on_gpu,
            cluster=bool(self.gres),
            start_seconds=self.start_seconds,
        )
        best = self.recommended
        self._heading("Recommended")
        self._line("precision", f"{best.precision} (set: {settings.precision})")
        self._line(
            "batch_size", f"{best.batch_size} (set: {settings.batch_size})" if self.on_gpu else "does not matter"
        )
        self._line("threads", f"{best.decode_processes} for decode, {best.extract_threads} for extract")
        self._line("bundle_frames", f"{best.bundle_frames:,}")

    def _calibration(self) -> Calibration:
        settings = self.settings
        return Calibration(
            device=machine.device_name(self.gres, self.device.type),
            torch=version("torch"),
            cudnn=facts.cudnn_version(self.device),
            model=settings.model,
            sample_mode=settings.sample_mode,
            clip_length=settings.clip_length,
            frame_pooling=self.numeric.frame_pooling,
            hardware=facts.hardware_name(self.device),
            measured=datetime.now(UTC).isoformat(timespec="seconds"),
            host=socket.gethostname(),
            cpus=self.cpus,
            facts=self.facts,
            passed=tuple(precision for precision in self.passed if precision not in self.failed),
            failed=self.failed,
            network=tuple(self.network),
            decoding=tuple(self.decoding),
            start_seconds=self.start_seconds,
            pipe_frames_per_second=self.pipe_frames_per_second,
            recommended=self.recommended,
        )

    # Tools ------------------------------------------------------------------------------------------------------------

    def _precision_to_run(self) -> str:
        """The configured precision, or fp32 if that one was not measured."""
        measured = {speed.precision for speed in self.network}
        return self.settings.precision if self.settings.precision in measured else "fp32"

    def _decoding_settings(self) -> tuple[NumericSettings, JobSettings]:
        return self.numeric, self.settings.for_jobs()

    def _decode_options(self, processes: int) -> list[str]:
        """The settings that decoding depends on, as options of `scripts/decode.py`."""
        names = ("decoder", "fps", "via_jpeg", "model", "frame_pooling")
        values = {name.replace("_", "-"): getattr(self.settings, name) for name in names}
        return [f"--threads={processes}", *(f"--{name}={value}" for name, value in values.items() if value)]

    def _extract_options(self) -> list[str]:
        """Options of `scripts/extract.py`, in fp32, which it never refuses."""
        settings = self.settings
        weights = settings.weights if self.weights is not None else RANDOM
        pairs = {
            "weights": weights,
            "device": self.device.type,
            "threads": 1 if self.on_gpu else self.cpus,
            "precision": "fp32",
            "model": settings.model,
            "sample-mode": settings.sample_mode,
            "clip-length": settings.clip_length,
            "frequency": settings.clip_length,
            "normalization": settings.normalization,
            "frame-pooling": settings.frame_pooling,
            "batch-size": 1,
        }
        return [f"--{name}={value}" for name, value in pairs.items()]

    def _engine(
        self, weights: dict[str, Tensor], precision: str, batch_size: int | None = None, **changes: str
    ) -> Engine:
        settings = msgspec.structs.replace(self.numeric, precision=precision, **changes)
        return Engine(settings, weights, self.device, batch_size=batch_size or self.settings.batch_size)

    def _heading(self, text: str) -> None:
        self.say("")
        self.say(text)

    def _line(self, name: str, text: str) -> None:
        self.say(f"  {name:<18} {text}")


def _in_words(speed: NetworkSpeed, frequency: int) -> str:
    text = f"{speed.snippets_per_second:.2f} snippets a second, {speed.snippets_per_second * frequency:,.1f} frames"
    if speed.peak_memory_mb is not None:
        text = f"batches of {speed.batch_size}: {text}, {size(speed.peak_memory_mb * MIB)} of memory"
    return text + f", tuned in {speed.tuning_seconds:.1f} s"
