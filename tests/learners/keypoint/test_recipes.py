"""The two recipes and their switches."""

import pytest
from pydantic import ValidationError

from learners.keypoint.recipes import PAPER, RECIPES, S3K, WITHOUT, changed, sigma_of, without


def test_the_papers_recipe_is_the_papers() -> None:
    assert PAPER.alpha == 0.5
    assert PAPER.warm_start_steps == 0
    assert PAPER.pseudo_labels == "student"
    assert PAPER.decoding == "map"
    assert RECIPES["paper"].network == {"sharpness": "width"}
    assert PAPER.outlier_px is None
    assert PAPER.gate_residual_px is None
    assert not PAPER.l2_decoupled
    assert PAPER.l2 > 0


@pytest.mark.parametrize("ingredient", WITHOUT)
def test_every_ingredient_can_be_left_out_alone(ingredient: str) -> None:
    recipe = without(RECIPES["s3k"], ingredient)
    left_out, whole = recipe.trainer.model_dump(), S3K.model_dump()
    differing = {name for name in whole if left_out[name] != whole[name]}
    if recipe.network != RECIPES["s3k"].network:
        differing.add("network")
    assert differing == set(WITHOUT[ingredient]), "that ingredient, and nothing else"
    same = whole["augment"].keys() - set(WITHOUT[ingredient].get("augment", {}))
    assert all(left_out["augment"][name] == whole["augment"][name] for name in same)


def test_a_setting_that_no_recipe_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="blur"):
        changed(S3K, {"augment": {"blur": 1}})
    with pytest.raises(ValidationError, match="learning"):
        changed(PAPER, {"learning": 1})


def test_a_target_is_a_hundredth_of_the_image_but_not_narrower_than_the_grid_can_show() -> None:
    assert sigma_of(400) == 2.0
    assert sigma_of(128) == sigma_of(64) == 0.7
