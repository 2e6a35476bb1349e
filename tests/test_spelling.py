"""Which name a misspelt one was probably meant to be."""

import pytest

from i3d.backbones import BACKBONES
from i3d.datasets.sheet import known_sheets
from i3d.settings import Settings
from i3d.spelling import nearest

MODELS, KEYS = [*BACKBONES], [*Settings.__struct_fields__]


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("UCF-Crime", known_sheets(), "ucf_crime"),
        ("ufc_crime", known_sheets(), "ucf_crime"),
        ("TAD", known_sheets(), "tad"),
        ("XD", known_sheets(), "xd_violence"),
        ("Shanghai Tech", known_sheets(), "shanghaitech"),
        ("kinetics", known_sheets(), None),
        ("i3d", MODELS, "i3d_r50"),
        ("I3D-R50", MODELS, "i3d_r50"),
        ("i3d_r51", MODELS, "i3d_r50"),
        ("CLIP", MODELS, "clip_vit_b16"),
        ("resnet", MODELS, None),
        ("vidoes", KEYS, "videos"),
        ("bundle", KEYS, "bundle_frames"),
        ("frame", KEYS, "frames"),
        ("a", KEYS, None),
        ("sampleMode", KEYS, "sample_mode"),
        ("---", KEYS, None),
    ],
)
def test_case_and_signs_make_no_difference_and_beginnings_come_first(name, known, meant):
    assert nearest(name, known) == meant
