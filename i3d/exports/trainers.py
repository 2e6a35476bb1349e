"""The commands each trainer needs for a data set, what breaks it, and how it reads labels.

Facts about the trainers' published code; docs/trainers.md says why each edit is needed and what was run.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from i3d.exports.vadclip import NO_CLASS
from i3d.quantities import named
from i3d.records.record import SETTINGS_COLUMNS, Row

# Snippets that a test video needs: it is scored whole, by its k largest magnitudes.
TESTS_NEED = {"RTFM": 3, "MGFN": 3, "TEVAD": 3, "S3R": 3, "Smart-Surveillance": 2}
VADCLIP_WIDTH = 512  # of its input, the output of CLIP's ViT-B/16
REPEATED = 16  # times that every trainer repeats a snippet's score to compare it with the ground truth


@dataclass(frozen=True)
class Part:
    """A split: its name and its numbers of anomalous, normal and all videos."""

    name: str
    anomaly: int
    normal: int
    total: int

    @property
    def smaller(self) -> int:
        """Videos of the rarer label: with a larger batch, a loader that drops the last one yields nothing."""
        return min(self.anomaly, self.normal)


@dataclass(frozen=True)
class DataSet:
    """A finished data set: where its exports are, and the numbers that trainers have in their code."""

    lists: Path
    crops_folder: Path
    train: Part
    test: Part
    validation: Part | None
    crops: int
    labels: dict[str, str]  # VadCLIP's label_map
    dim: int = 2048
    frequency: int = 16
    order: str = "original"  # of crops

    @property
    def train_lines(self) -> int:
        """Lines of anomalies in the training list of crop files."""
        return self.train.anomaly * self.crops

    @property
    def truth(self) -> str:
        """The quoted path of the ground truth of the test split."""
        return self.in_lists(self.test, "_gt.npy")

    def in_lists(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among the lists."""
        return quote(str(self.lists / f"{part.name}{ending}"))

    def in_crops(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among the crops."""
        return quote(str(self.crops_folder / f"{part.name}{ending}"))

    def in_flat(self, part: Part, ending: str = ".list") -> str:
        """The quoted path of a split's file among those for TEVAD and S3R."""
        return quote(str(self.lists / "i3d" / f"{part.name}{ending}"))


def too_short(rows: Iterable[Row]) -> list[str]:
    """A warning for each trainer whose test breaks on some of these videos, naming them."""
    rows = list(rows)
    crashes: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        broken = tuple(name for name, need in TESTS_NEED.items() if (row.snippets or 0) < need)
        if broken:
            crashes.setdefault(broken, []).append(f"{row.video} ({row.snippets})")
    return [
        f"{named(videos)}: too few snippets, {named(trainers)} break on such a test video; leave it out with "
        f"`lists: min_snippets: {{<split>: {max(TESTS_NEED[name] for name in trainers)}}}`"
        for trainers, videos in crashes.items()
    ]


def _smart_surveillance_label(line: str) -> int | None:
    """The label that Smart-Surveillance reads from a path; None if it leaves the line out."""
    if "anomaly" not in line:
        return None
    return 0 if "non_anomaly" in line else 1


def _pel4vad_label(line: str) -> int | None:
    """The label that PEL4VAD reads from a path."""
    return 0 if "Normal" in line else 1


LABEL_RULES: dict[str, tuple[Callable[[str], int | None], str]] = {
    "Smart-Surveillance": (_smart_surveillance_label, "`anomaly` and `non_anomaly` anywhere in the path"),
    "PEL4VAD": (_pel4vad_label, "`Normal` anywhere in the path"),
}


def misread(trainer: str, rows: Sequence[Row], lines: Sequence[str]) -> list[str]:
    """A warning when the trainer reads another label than ours from some paths, or leaves them out."""
    rule, words = LABEL_RULES[trainer]
    wrong = [line for row, line in zip(rows, lines, strict=True) if rule(line) != (row.label or 0)]
    if not wrong:
        return []
    return [
        f"{trainer} reads labels from {words} and so misreads {len(wrong)} of {len(lines)} lines, such as {wrong[0]}; "
        "rename the folder, or set the `root` to a path without such words"
    ]


def unlike_trainers(frequency: int, crops: int) -> list[str]:
    """Warnings for features for which no trainer's code is written."""
    warnings = []
    if frequency != REPEATED:
        warnings.append(
            f"features of `frequency` {frequency}, but every trainer repeats a snippet's score {REPEATED} times: write "
            f"{frequency} there in its test"
        )
    if crops != 10:
        warnings.append(
            f"{crops} crop per snippet: RTFM, MGFN, Smart-Surveillance, TEVAD and S3R have 10 crops in their code, "
            "UR-DMU, BN-WVAD and PEL4VAD join 10 lines in their tests"
        )
    return warnings


def mixed_settings(rows: Iterable[Row]) -> list[str]:
    """A warning for each setting in which features of one tree differ, naming each value with a video."""
    examples: dict[str, dict[str, str]] = {}
    for row in rows:
        for column in SETTINGS_COLUMNS:
            examples.setdefault(column, {}).setdefault(str(getattr(row, column) or "none"), row.video)
    return [
        f"features of different {column} in one tree, which do not mix: "
        + " and ".join(f"{value} ({video})" for value, video in values.items())
        for column, values in examples.items()
        if len(values) > 1
    ]


def why_not_trainable(parts: Mapping[str, Part], test: str, training: Collection[str]) -> str | None:
    """What a data set lacks for trainers to train and test on it; None if nothing."""
    if test not in parts or not training:
        return f"features are needed in `test_split` ({test}) and in another split, for trainers to train and test"
    train = parts[max(training, key=lambda name: parts[name].total)]
    for label, number in (("anomaly", train.anomaly), ("normal video", train.normal)):
        if not number:
            return f"{train.name}: no {label} there has features, and trainers train with both; add some"
    return None


def lines_to_paste(data: DataSet) -> str:
    """The commands for each trainer to train and test on this data set, run in its folder."""
    head = (
        f"features of {data.crops} crops (order {data.order}), {data.dim} values each, a snippet every "
        f"{data.frequency} frames; {data.train.name} {data.train.total} videos, {data.test.name} {data.test.total}\n"
    )
    blocks = [
        (f"{name}   (snakemake {target})", lines)
        for name, target, lines in (
            ("RTFM", "ground_truth", _rtfm(data)),
            ("MGFN", "ground_truth", _mgfn(data)),
            ("Smart-Surveillance", "ground_truth", _smart_surveillance(data)),
            ("UR-DMU", "ur_dmu ground_truth", _ur_dmu(data)),
            ("BN-WVAD", "ur_dmu ground_truth", _bn_wvad(data)),
            ("PEL4VAD", "ur_dmu ground_truth", _pel4vad(data)),
            ("DeepMIL", "deepmil ground_truth", _deepmil(data)),
            ("VadCLIP", "vadclip ground_truth", _vadclip(data)),
            ("TEVAD", "tevad_s3r ground_truth", _tevad(data)),
            ("S3R", "s3r", _s3r(data)),
        )
    ]
    return "\n".join([head, *("\n".join([title, *(f"    {line}" for line in lines), ""]) for title, lines in blocks)])


INT = r"s/np\.int)/int)/"  # np.int left NumPy in 1.24
# With tensors on the GPU by default, as in DeepMIL's and S3R's code, a loader that shuffles needs a generator there.
GENERATOR = """s/shuffle=True,/shuffle=True, generator=torch.Generator("cuda"),/"""


def _copies(data: DataSet, path: Callable[[Part], str], train: str, test: str, truth: str) -> list[str]:
    """Commands that copy both lists and the ground truth to where a trainer reads them."""
    return [f"cp {path(data.train)} {train}", f"cp {path(data.test)} {test}", f"cp {data.truth} {truth}"]


def _rtfm(data: DataSet) -> list[str]:
    return [
        *_copies(data, data.in_lists, "list/ucf-i3d.list", "list/ucf-i3d-test.list", "list/gt-ucf.npy"),
        f"sed -i 's/810/{data.train.anomaly}/' dataset.py; sed -i '{INT}' utils.py",
        f"python main.py --feature-size {data.dim} --dataset ucf --batch-size {min(32, data.train.smaller)}",
    ]


def _mgfn(data: DataSet) -> list[str]:
    return [
        f"sed -i 's/810/{data.train.anomaly}/' datasets/dataset.py; sed -i '{INT}' utils/utils.py",
        f"python main.py --batch_size {min(16, data.train.smaller)} --rgb-list {data.in_lists(data.train)} "
        f"--test-rgb-list {data.in_lists(data.test)} --gt {data.truth}",
        "# it trains without shuffling and drops the last batch: the same videos are never trained on",
    ]


def _smart_surveillance(data: DataSet) -> list[str]:
    held_out = data.validation or data.test
    lines = [
        "sed -i '/^    val_loader/,/drop_last/s/shuffle=True/shuffle=False/; "
        "/^    test_loader/,/drop_last/s/shuffle=True/shuffle=False/' main.py",
        "sed -i \"s#output_path = .*#output_path = 'output'#\" main.py; mkdir -p output",
        f"python main.py --batch-size {min(4, data.train.smaller)} --train-list {data.in_lists(data.train)} "
        f"--val-list {data.in_lists(held_out)} --val_gt {data.in_lists(held_out, '_gt.npy')} "
        f"--test-list {data.in_lists(data.test)} --test_gt {data.truth}",
        "# leave out its list/generate_gt.py: it writes over the ground truth beside the list, with all ones",
    ]
    if data.validation is None:
        lines.append("# no validation split: set `lists: {validation: {fraction: 0.2}}`, or it picks its model by test")
    return lines


def _ur_dmu(data: DataSet) -> list[str]:
    lines = [
        *_copies(data, data.in_crops, "list/UCF_Train.list", "list/UCF_Test.list", "frame_label/gt-ucf.npy"),
        f"sed -i 's/8100/{data.train_lines}/; {INT}' dataset_loader.py",
        f"sed -i 's/len_feature = 1024/len_feature = {data.dim}/' ucf_main.py ucf_infer.py config.py",
        "sed -i 's/_data, _label = next/_data, _label, _ = next/' ucf_test.py",
    ]
    if (most := data.train.smaller * data.crops) < 64:
        lines.append(f"sed -i 's/batch_size = 64/batch_size = {most}/' ucf_main.py")
    return [*lines, "python ucf_main.py"]


def _bn_wvad(data: DataSet) -> list[str]:
    return [
        *_copies(data, data.in_crops, "list/XD_Train.list", "list/XD_Test.list", "frame_label/xd_gt.npy"),
        f"sed -i 's/9525/{data.train_lines}/; "
        r"""s/"_label_A" not in vid_name/"Normal" not in vid_name.split("\/")[-1]/' dataset_loader.py""",
        f"sed -i 's/batch_size = 5,/batch_size = {data.crops},/; s#//5#//{data.crops}#' main.py test.py infer.py",
        f"python main.py --root_dir / --len_feature {data.dim} --batch_size {min(64, data.train.smaller * data.crops)}",
    ]


def _pel4vad(data: DataSet) -> list[str]:
    return [
        *_copies(data, data.in_crops, "list/ucf/train.list", "list/ucf/test.list", "list/ucf/ucf-gt.npy"),
        'sed -i "/CUDA_VISIBLE_DEVICES/d" main.py   # it asks for GPU 3, and so hides the only one',
        f"sed -i 's/feat_dim = 1024/feat_dim = {data.dim}/; s/test_bs = 10/test_bs = {data.crops}/' configs.py",
        "sed -i 's#d_model // 2#512#' modules.py",
        "sed -i \"s/video_idx\\[:-3\\]/'Abuse'/\" dataset.py   # the class whose words describe your anomalies best",
        "python main.py --dataset ucf --mode train",
    ]


def _deepmil(data: DataSet) -> list[str]:
    return [
        f"sed -i 's/810/{data.train_lines}/' dataset.py; sed -i '{INT}' utils.py",
        f"sed -i '{GENERATOR}' main.py",
        f"python main.py --gpus 0 --feat-extractor i3d --feature-size {data.dim} "
        f"--batch-size {min(32, data.train.smaller * data.crops)} --rgb-list {data.in_crops(data.train)} "
        f"--test-rgb-list {data.in_crops(data.test, '_one_crop.list')} --gt {data.truth}",
    ]


def _vadclip(data: DataSet) -> list[str]:
    """Its `label_map` and mAP are those of UCF-Crime, and it tests only at multiples of 1280 lines."""
    classes = list(data.labels)
    options = (
        f"--train-list {data.in_crops(data.train, '.csv')} --test-list {data.in_crops(data.test, '.csv')} "
        f"--gt-path {data.truth} --gt-segment-path {data.in_crops(data.test, '_gt_segment.npy')} "
        f"--gt-label-path {data.in_crops(data.test, '_gt_label.npy')}"
    )
    if NO_CLASS in data.labels:
        return [
            "mkdir -p model",
            *_vadclip_width(data.dim),
            f"sed -i 's/videos_num = 800/videos_num = {data.test.total}/' src/utils/xd_detectionMAP.py",
            f"python src/xd_train.py --batch-size {min(96, data.train.total * data.crops)} {options}",
        ]
    return [
        "mkdir -p model",
        *_vadclip_width(data.dim),
        "sed -i 's/if step % 1280 == 0 and step != 0:/if i + 1 == min(len(normal_loader), len(anomaly_loader)):/; "
        "s/torch.load(args.checkpoint_path)/torch.load(args.checkpoint_path, weights_only=False)/' src/ucf_train.py",
        f'sed -i "s/label_map = dict(.*/label_map = dict({data.labels})/" src/ucf_train.py src/ucf_test.py',
        f'sed -i "s/classlist = .*/classlist = {classes}/; s/classes_num = 14/classes_num = {len(classes)}/; '
        f's/range(0, 14)/range(0, {len(classes)})/; s/videos_num = 290/videos_num = {data.test.total}/" '
        "src/utils/ucf_detectionMAP.py",
        f"python src/ucf_train.py --classes-num {len(classes)} "
        f"--batch-size {min(64, data.train.smaller * data.crops)} {options}",
    ]


def _vadclip_width(dim: int) -> list[str]:
    if dim == VADCLIP_WIDTH:
        return []
    return [
        f"# its input is {VADCLIP_WIDTH} wide, as CLIP's: a projection goes before its encoder (docs/trainers.md)",
        rf"sed -i 's/^        self.clipmodel, _ = clip.load/        self.project = nn.Linear({dim}, visual_width)\n&/; "
        "s/images = images.to(torch.float)$/images = self.project(images.to(torch.float))/' src/model.py",
    ]


def _tevad(data: DataSet) -> list[str]:
    return [
        "mkdir -p output",
        "# its captions, save/Crime/sent_emb_n/<name>_emb.npy for each <name>_i3d.npy, are yours to make",
        *_copies(data, data.in_flat, "list/ucf-i3d.list", "list/ucf-i3d-test.list", "list/gt-ucf.npy"),
        f"sed -i 's/810/{data.train.anomaly}/' dataset.py; sed -i '{INT}' utils.py",
        f"python main.py --dataset ucf --batch-size {min(32, data.train.smaller)}",
    ]


def _s3r(data: DataSet) -> list[str]:
    theirs = "data/ucf-crime"
    pickle = "dictionary/ucf-crime/ucf-crime_regular_features-2048dim.training.pickle"
    return [
        f"mkdir -p {theirs}/i3d dictionary/ucf-crime",
        f"cp {data.in_flat(data.train, '.csv')} {theirs}/ucf-crime.training.csv",
        f"cp {data.in_flat(data.test, '.csv')} {theirs}/ucf-crime.testing.csv",
        f"cp {data.in_flat(data.test, '_ground_truth.json')} {theirs}/ucf-crime_ground_truth.testing.json",
        f"cp {data.in_flat(data.train, '_regular_features.pickle')} {pickle}",
        f"ln -sfn {data.in_flat(data.train, '')} {theirs}/i3d/train; "
        f"ln -sfn {data.in_flat(data.test, '')} {theirs}/i3d/test",
        f"sed -i 's/810/{data.train.anomaly}/' anomaly/datasets/video_dataset.py "
        f"{theirs}/ucf_crime_dictionary_learning.py",
        f"sed -i '{INT}' utils.py",
        "sed -i 's/envcols = list(map.*/envcols = 24, 80/' config.py " + f"{theirs}/ucf_crime_dictionary_learning.py",
        f"sed -i 's/ n_iter = / max_iter = /' {theirs}/ucf_crime_dictionary_learning.py",
        f"sed -i '{GENERATOR}' tools/trainval_anomaly_detector.py",
        f"python {theirs}/ucf_crime_dictionary_learning.py   # its published dictionary is of other features",
        f"python tools/trainval_anomaly_detector.py --dataset ucf-crime --batch_size {min(32, data.train.smaller)}",
    ]
