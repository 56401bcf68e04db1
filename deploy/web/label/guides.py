"""The geometry of clicks, by the project's own code: guide lines after the first, the point and residuals after more.

The page draws what this says and computes nothing itself, so that what a person sees is what a model will learn.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from deploy.web.label.marks import Marks, Pixel
from s3k_dist.errors import GeometryError
from s3k_dist.frames import MultiViewFrame
from s3k_dist.geometry.camera import Camera
from s3k_dist.geometry.epipolar import epipolar_curve
from s3k_dist.geometry.projection import Cameras, project, rays
from s3k_dist.geometry.triangulation import covariance, triangulate, triangulate_robust
from s3k_dist.labels.store import MIN_VIEWS

# A person's click errs by 1.5 px: beyond this it is another point, or a camera that has moved.
DISAGREE_PX = 4.0
MM = 1000.0


def guides(frame: MultiViewFrame, marks: Marks) -> dict[str, dict[str, Any]]:
    """What follows from the marks of a frame, by keypoint.

    Returns:
        ``curves``: pixels in each other camera after one click. ``point_m``, ``spread_mm`` (one standard deviation
        along the worst direction, for clicks that err by 1 px) and ``views`` (``pixel``, and ``residual_px`` and
        ``residual_mm`` where there is a click) after two. ``warning``: what is wrong; None if nothing is.
    """
    cameras = {camera.name: camera for camera in frame.cameras}
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({name for clicks in marks.clicks.values() for name in clicks} | set(marks.points_m)):
        clicks = {
            camera: of_camera[name]
            for camera, of_camera in marks.clicks.items()
            if name in of_camera and camera in cameras
        }
        try:
            if name in marks.points_m:
                found[name] = _of_point(np.array(marks.points_m[name]), cameras, {})
            elif len(clicks) >= MIN_VIEWS:
                found[name] = _of_clicks(clicks, cameras)
            elif clicks:
                found[name] = _of_click(clicks, cameras)
        except (GeometryError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
            found[name] = {"warning": f"no point follows from these clicks: {' '.join(str(error).split())}"}
    return found


def _of_click(clicks: Mapping[str, Pixel], cameras: Mapping[str, Camera]) -> dict[str, Any]:
    ((source, pixel),) = clicks.items()
    curves = {
        name: np.round(epipolar_curve(np.array(pixel), cameras[source], camera), 3).tolist()
        for name, camera in cameras.items()
        if name != source
    }
    return {"curves": curves, "warning": None}


def _of_clicks(clicks: Mapping[str, Pixel], cameras: Mapping[str, Camera]) -> dict[str, Any]:
    names = list(clicks)
    pixels = torch.tensor([[clicks[name]] for name in names], dtype=torch.float64)
    seeing = Cameras.stack([cameras[name] for name in names])
    weights = torch.ones(len(names), 1, dtype=torch.float64)
    point = triangulate(pixels, weights, seeing)
    if not torch.isfinite(point).all():
        raise GeometryError("the rays of the clicks are parallel")
    spread = covariance(pixels, weights, seeing, point, weights)[0]
    found = _of_point(point[0].numpy(), cameras, clicks)
    found["spread_mm"] = MM * float(torch.linalg.eigvalsh(spread)[-1].clamp_min(0).sqrt())
    found["warning"] = found["warning"] or _disagreement(pixels, weights, seeing, names, found["views"])
    return found


def _of_point(point_m: np.ndarray, cameras: Mapping[str, Camera], clicks: Mapping[str, Pixel]) -> dict[str, Any]:
    all_of_them = Cameras.stack(list(cameras.values()))
    pixels, depth_m = project(torch.from_numpy(point_m)[None], all_of_them)
    views: dict[str, dict[str, Any]] = {}
    for name, pixel, depth in zip(cameras, pixels[:, 0].numpy(), depth_m[:, 0].tolist(), strict=True):
        if depth <= 0:
            continue
        views[name] = {"pixel": pixel.round(3).tolist()}
        if name in clicks:
            views[name]["residual_px"] = float(np.linalg.norm(pixel - clicks[name]))
            views[name]["residual_mm"] = MM * _beside_m(point_m, cameras[name], clicks[name])
    behind = [name for name in clicks if name not in views]
    warning = f"the point of these clicks lies behind {', '.join(behind)}" if behind else None
    return {"point_m": point_m.tolist(), "spread_mm": None, "views": views, "warning": warning}


def _beside_m(point_m: np.ndarray, camera: Camera, pixel: Pixel) -> float:
    """How far the ray of a click passes by the point, metres."""
    direction = rays(torch.tensor([[pixel]], dtype=torch.float64), Cameras.stack([camera]))[0, 0].numpy()
    to_point = point_m - camera.centre_m
    return float(np.linalg.norm(to_point - (to_point @ direction) * direction))


def _disagreement(
    pixels: torch.Tensor, weights: torch.Tensor, seeing: Cameras, names: list[str], views: Mapping[str, dict[str, Any]]
) -> str | None:
    residual_px = {name: views[name]["residual_px"] for name in names if name in views}
    worst = max(residual_px, key=lambda name: residual_px[name])
    if residual_px[worst] <= DISAGREE_PX:
        return None
    _, used = triangulate_robust(pixels, weights, seeing, outlier_px=DISAGREE_PX)
    left_out = [name for name, weight in zip(names, used[:, 0].tolist(), strict=True) if weight == 0]
    if left_out:
        return f"{left_out[0]} contradicts the other views, which agree: is it the same point?"
    return f"the views disagree by up to {residual_px[worst]:.1f} px ({worst}): is it the same point in all of them?"
