"""Settings of the keypoint learner; pydantic only, so that reading a configuration loads no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AugmentConfig(BaseModel):
    """How far each augmentation goes. Zero switches one off.

    Attributes:
        roll_rad: camera roll, plus or minus. Fixed cameras roll little in life; more only costs capacity.
        log_zoom: logarithm of the focal length's factor, plus or minus.
        log_stretch: logarithm of width over height, plus or minus, as pixels that are not square have it: for a
            category, whose next member has other proportions.
        shift_px: of the principal point, plus or minus, at 128 px (scales with the image).
        crop: share of the image's side that a training image shows, in steps of 32 px: the network sees the same scene
            at a fraction of the cost.
        plain: share of the images that are only cropped. Resampling blurs, cameras do not: a model that saw blurred
            images only places keypoints 0.3 px off in sharp ones.
        contrast: relative, plus or minus.
        tint: relative for each colour, and as an offset.
        palette: share of the images whose colours are all exchanged for others, by a random rotation of RGB about grey:
            for a category, whose next member has a colour of its own. An object that its print tells apart keeps it.
        noise: standard deviation of pixel noise, on images in [-0.5, 0.5].
        occlusion: probability of each patch over an image.
        patches: over an image, at most.
        foreign: share of the patches that show a piece of another image; the others are of one colour.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    roll_rad: float = Field(0.35, ge=0)
    log_zoom: float = Field(0.2, ge=0)
    log_stretch: float = Field(0.0, ge=0)
    shift_px: float = Field(10.0, ge=0)
    crop: float = Field(0.75, gt=0, le=1)
    plain: float = Field(0.4, ge=0, le=1)
    contrast: float = Field(0.3, ge=0)
    tint: float = Field(0.1, ge=0)
    palette: float = Field(0.0, ge=0, le=1)
    noise: float = Field(0.03, ge=0)
    occlusion: float = Field(0.3, ge=0, le=1)
    patches: int = Field(1, ge=0)
    foreign: float = Field(0.0, ge=0, le=1)


class TrainerConfig(BaseModel):
    """How the model is trained; each default is the paper's, or a measured better one.

    Attributes:
        warm_start_steps: labelled steps before the unlabelled loss enters; from step 0 it collapses onto a wrong
            solution that is consistent in 3-D.
        entry_plausible: the unlabelled loss then waits until this share of the distances between estimated keypoints
            is one that the labelled frames could have (`collapse.py`); 0 enters at once.
        collapse_plausible: if the share falls below this, training goes back to where the unlabelled loss entered, and
            on with half its weight; 0 never does.
        ramp_steps: steps over which the learning rate rises at the start.
        anneal_steps: step at which the learning rate has fallen to its floor, on a cosine.
        learning_rate: peak.
        learning_rate_floor: kept for ever after ``anneal_steps``, so that learning can follow the stream.
        labelled_batch: frames of each step, each with all its views.
        unlabelled_batch: frames of each step.
        alpha: weight of the unlabelled loss, Eq. 4; the paper's 0.5.
        l2: factor of the squared weights that are not biases, Eq. 4.
        l2_decoupled: decay the weights beside the optimiser (AdamW) rather than through the loss as Eq. 4 has it.
        pseudo_labels: who estimates the keypoints of unlabelled frames: a ``teacher``, the moving average of the
            student, on clean images; or the ``student`` itself on what it is trained on, as published (Eq. 3).
        teacher_decay: of the moving average.
        decoding: ``peak``, a soft-argmax near the peak; or ``map``, over the whole heatmap, as published.
        outlier_px: a view that contradicts all others by more than this, at 128 px, is left out of Eq. 2; None keeps
            every view, as published.
        gate_residual_px: an estimate counts only if its views agree within this mean residual, at 128 px (scales with
            the image); None lets every estimate pass, as published.
        gate_confidence: and if the heatmaps of those views have at least this mean confidence.
        max_gradient_norm: gradients are scaled down to it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    warm_start_steps: int = Field(600, ge=0)
    entry_plausible: float = Field(0.5, ge=0, le=1)
    collapse_plausible: float = Field(0.25, ge=0, le=1)
    ramp_steps: int = Field(100, ge=1)
    anneal_steps: int = Field(1200, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    learning_rate_floor: float = Field(3e-4, gt=0)
    labelled_batch: int = Field(4, ge=1)
    unlabelled_batch: int = Field(4, ge=1)
    alpha: float = Field(0.5, ge=0)
    l2: float = Field(1e-3, ge=0)
    l2_decoupled: bool = True
    pseudo_labels: Literal["teacher", "student"] = "teacher"
    teacher_decay: float = Field(0.995, ge=0, lt=1)
    decoding: Literal["peak", "map"] = "peak"
    outlier_px: float | None = Field(None, gt=0)
    gate_residual_px: float | None = Field(4.0, gt=0)
    gate_confidence: float = Field(0.5, ge=0, le=1)
    max_gradient_norm: float = Field(5.0, gt=0)
    augment: AugmentConfig = AugmentConfig()


class Margins(BaseModel):
    """By how much one model may do worse than another without labels, and still count as no worse.

    Attributes:
        residual: factor on the disagreement of the views.
        confidence: drop of the mean confidence.
        missing: rise of the share of detections that are missing.
        jitter: factor on how much keypoints shake.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    residual: float = Field(1.15, ge=1)
    confidence: float = Field(0.05, ge=0)
    missing: float = Field(0.05, ge=0)
    jitter: float = Field(1.25, ge=1)


class PromotionConfig(BaseModel):
    """How a version comes into service, and out of it.

    Attributes:
        fresh_runs: of three frames each, of the newest of the stream, that a candidate and the served version are
            compared on; 0 goes by held-out labels alone.
        fresh: margins there: both see the same frames.
        canary_share: of the requests that a version on trial answers; 0 promotes without a trial.
        canary_frames: that it and the served version have answered when it is judged.
        canary_s: after so long it is judged by what there is.
        live: margins in service, where the two see different episodes; also for a roll-back.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fresh_runs: int = Field(16, ge=0)
    fresh: Margins = Margins()
    canary_share: float = Field(0.25, ge=0, le=1)
    canary_frames: int = Field(80, ge=1)
    canary_s: float = Field(300.0, gt=0)
    live: Margins = Margins(residual=1.4, confidence=0.1, missing=0.1, jitter=2.0)


class KeypointLearnerConfig(BaseModel):
    """The keypoint learner.

    Attributes:
        steps: before the first version is published.
        publish_every: steps between versions afterwards.
        pool_frames: of the unlabelled stream held in memory.
        max_regression: a version is promoted only if its held-out median error is at most this factor of the served
            one's.
        promotion: what else it has to pass.
        follow_stream: go on learning from the stream while the policy learns; False keeps the first version.
        trainer: the recipe.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(1200, ge=1)
    publish_every: int = Field(100, ge=1)
    pool_frames: int = Field(3000, ge=1)
    max_regression: float = Field(1.05, ge=1)
    promotion: PromotionConfig = PromotionConfig()
    follow_stream: bool = True
    trainer: TrainerConfig = TrainerConfig()
