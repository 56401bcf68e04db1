"""The configuration tree: what loads, and what a person reads when it does not."""

from pathlib import Path

import pytest

from deploy.config import CONFIG_NAME, RunConfig, load_config, presets, read_config, save_config
from s3k_dist.errors import ConfigError, StorageError


def test_every_preset_loads() -> None:
    assert {"laptop", "smoke"} <= set(presets())
    for preset in presets():
        assert load_config(preset).preset == preset


def test_the_laptop_preset_is_the_defaults_and_smoke_is_smaller() -> None:
    laptop, smoke = load_config("laptop"), load_config("smoke")
    assert laptop == RunConfig()
    assert smoke.policy.env_steps < laptop.policy.env_steps
    assert smoke.cells.image_px < laptop.cells.image_px
    assert smoke.service == laptop.service


def test_an_unknown_preset_says_which_there_are() -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'desktop'; there are .*laptop, smoke"):
        load_config("desktop")


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("seed=3", None, "seed", 3),
        ("policy.env_steps=2000", "policy", "env_steps", 2000),
        ("policy.hidden_sizes=[32, 16]", "policy", "hidden_sizes", (32, 16)),
        ("service.address=127.0.0.1:50051", "service", "address", "127.0.0.1:50051"),
        ("service.metrics_port=null", "service", "metrics_port", None),
        ("service.metrics_port=9090", "service", "metrics_port", 9090),
        ("cells.cable_stiffness=1e-4", "cells", "cable_stiffness", 1e-4),
        ("task.success_distance_m=.03", "task", "success_distance_m", 0.03),
    ],
)
def test_a_value_is_set(override: str, section: str | None, key: str, value: object) -> None:
    config = load_config("smoke", [override])
    assert getattr(getattr(config, section) if section else config, key) == value


@pytest.mark.parametrize("override", ["service.address=0.0.0.0:50051", "control={port: 0, address: 0.0.0.0}"])
def test_nothing_is_served_beyond_the_machine_without_credentials(override: str) -> None:
    with pytest.raises(ConfigError, match=r"is beyond this machine: .*--set credentials=DIR names it"):
        load_config("smoke", [override])
    assert load_config("smoke", [override, "credentials=/etc/s3k"]).credentials == Path("/etc/s3k")


def test_deep_values_are_set_beside_those_of_the_preset_and_the_last_one_counts() -> None:
    config = load_config(
        "smoke", ["keypoints.trainer.augment.crop=1", "keypoints.trainer.alpha=0.1", "keypoints.trainer.alpha=0.2"]
    )
    assert config.keypoints.trainer.augment.crop == 1
    assert config.keypoints.trainer.alpha == 0.2
    assert config.keypoints.steps == load_config("smoke").keypoints.steps


@pytest.mark.parametrize(
    ("override", "says"),
    [
        (
            "polcy.env_steps=1",
            r"preset 'smoke': unknown key 'polcy'; available there: preset, seed, .*cells, .*policy",
        ),
        ("policy.env_step=1", r"unknown key 'policy\.env_step'; available there: env_steps, pretrain_updates"),
        ("keypoints.trainer.augment.blur=1", r"unknown key 'keypoints\.trainer\.augment\.blur'; .*roll_rad"),
        ("seed.x=1", "seed.x: .*|seed: .*"),
        ("policy.env_steps=many", r"policy\.env_steps: Input should be a valid integer.*, got 'many'"),
        ("policy.env_steps=0", r"policy\.env_steps: Input should be greater than or equal to 1, got 0"),
        ("policy.gamma=.nan", r"policy\.gamma"),
        ("policy=5", "policy: Input should be a valid dictionary or instance of PolicyConfig, got 5"),
        ("cells.image_px=100", r"cells\.image_px: Input should be a multiple of 32, got 100"),
        ("policy.hidden_sizes=[a]", r"policy\.hidden_sizes\.0: Input should be a valid integer"),
        ("preset=laptop", "chosen with --preset"),
        ("policy.env_steps", r"--set takes key=value, .* got 'policy\.env_steps'"),
        ("=5", "--set takes key=value"),
        ("seed=[1", r"seed: '\[1' is not a value"),
    ],
)
def test_what_does_not_fit_says_where_and_what_is_available(override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        load_config("smoke", [override])
    assert "\n" not in str(refused.value)


def test_a_value_is_no_section() -> None:
    with pytest.raises(ConfigError, match=r"policy\.env_steps\.x: env_steps is a value, not a section"):
        load_config("smoke", ["policy.env_steps.x=1"])


@pytest.mark.parametrize("preset", ["laptop", "smoke"])
def test_what_was_saved_is_read(tmp_path: Path, preset: str) -> None:
    config = load_config(preset, ["seed=7", "policy.hidden_sizes=[8]", "task.far_m=0.2"])
    save_config(tmp_path, config)
    assert read_config(tmp_path) == config
    assert read_config(tmp_path, ["seed=8"]).seed == 8


def test_a_configuration_does_not_change_after_loading() -> None:
    config = load_config("smoke")
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"seed: [1", "is damaged: "),
        (b"\xff\xfe\x00", "is damaged: "),
        (b"", "is damaged: expected a tree"),
        (b"- 1", "is damaged: expected a tree"),
        (b"sed: 1", "unknown key 'sed'"),
        (b"seed: x", "seed: Input should be a valid integer"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / CONFIG_NAME).write_bytes(content)
    with pytest.raises(ConfigError, match=says) as refused:
        read_config(tmp_path)
    assert CONFIG_NAME in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not a run: no config\.yaml in it"):
        read_config(tmp_path)
    with pytest.raises(ConfigError, match="is not a run"):
        read_config(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write .*config\.yaml"):
        save_config(tmp_path / "file", load_config("smoke"))
