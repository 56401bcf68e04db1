"""Scenes by name: what there is, what each takes, and what is said of anything else."""

import pickle
from typing import Any

import pytest

from actors.sim.scenes.catalogue import SCENES, SceneSpec, read_options
from actors.sim.scenes.shoes import HELD_OUT_SHOES, TRAINING_SHOES
from s3k_dist.errors import ConfigError, StorageError

CORNERS = ("top_left", "top_right", "bottom_left")


@pytest.mark.parametrize(
    ("name", "options", "keypoints"),
    [
        ("box", {}, CORNERS),
        ("box", {"mode": "so3"}, CORNERS),
        ("domain-shift", {"phases": 2}, CORNERS),
        ("shoes", {"shoes": (3,)}, ("front", "tongue", "heel")),
        ("plush", {}, ("head", "left_paw", "right_paw", "body", "tail")),
    ],
)
def test_a_scene_is_built_by_name(name: str, options: dict[str, Any], keypoints: tuple[str, ...]) -> None:
    spec = SceneSpec(name, 0, 64, options)
    assert spec.build().keypoints == keypoints
    assert pickle.loads(pickle.dumps(spec)) == spec  # noqa: S301


def test_domain_shift_is_a_box_among_distractors_that_change() -> None:
    bodies = [
        SceneSpec(name, 0, options=options).build().fragment().worldbody.count("<body")
        for name, options in (("box", {}), ("domain-shift", {}), ("domain-shift", {"distractors": 2, "phases": 2}))
    ]
    assert bodies == [1, 1 + 3 * 6, 1 + 2 * 2]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (SceneSpec("sphere", 0), "unknown scene 'sphere'; there are box, domain-shift, shoes, plush"),
        (SceneSpec("box", 0, options={"moed": "so3"}), "scene 'box' has no option 'moed'; it has mode, distractors"),
        (SceneSpec("plush", 0, options={"seed": 3}), "scene 'plush' has no option 'seed'; it has no options"),
        (SceneSpec("box", 0, options={"mode": "flat"}), "unknown box mode 'flat'; there are tilt, so3"),
        (SceneSpec("shoes", 0, options={"shoes": (3, 99)}), r"unknown shoes \[99\]; there are 0 to 15"),
        (SceneSpec("shoes", 0, options={"shoes": (3,), "meshes": "real"}), "got both .* and real"),
        (SceneSpec("box", -1), "the seed of a scene is 0 or more; got -1"),
        (SceneSpec("box", 0, 0), "the side of an image is 1 px or more; got 0"),
    ],
)
def test_what_is_impossible_is_named(spec: SceneSpec, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        spec.build()


def test_a_folder_of_meshes_that_is_not_there_is_named(tmp_path: object) -> None:
    with pytest.raises(StorageError, match="no such folder"):
        SceneSpec("shoes", 0, options={"meshes": f"{tmp_path}/nowhere"}).build()


@pytest.mark.parametrize(
    ("name", "settings", "options"),
    [
        ("box", [], {}),
        ("box", ["mode=so3", "distractors=2"], {"mode": "so3", "distractors": 2}),
        ("shoes", ["shoes=0,12,3"], {"shoes": (0, 12, 3)}),
        ("shoes", ["shoes=train"], {"shoes": tuple(TRAINING_SHOES)}),
        ("shoes", ["shoes=held-out"], {"shoes": tuple(HELD_OUT_SHOES)}),
        ("shoes", ["meshes=a/b=c"], {"meshes": "a/b=c"}),
    ],
)
def test_options_are_read_from_text(name: str, settings: list[str], options: dict[str, Any]) -> None:
    assert read_options(name, settings) == options


@pytest.mark.parametrize(
    ("name", "setting", "says"),
    [
        ("sphere", "mode=so3", "unknown scene 'sphere'"),
        ("box", "mode", "an option goes key=value, such as mode=so3; got 'mode'"),
        ("box", "seed=3", "scene 'box' has no option 'seed'; it has mode, distractors, phases"),
        ("box", "distractors=-1", "option distractors of scene 'box': expected a count, got '-1'"),
        ("shoes", "shoes=all", "expected train, held-out or numbers such as 0,1,2; got 'all'"),
        ("shoes", "shoes=", "expected train, held-out or numbers"),
    ],
)
def test_what_cannot_be_read_is_named(name: str, setting: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read_options(name, [setting])


def test_every_option_can_be_given_as_text() -> None:
    assert all(callable(read) for entry in SCENES.values() for read in entry.options.values())
