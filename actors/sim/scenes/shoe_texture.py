"""What a shoe's surfaces look like: a material, and parts such as toe cap and stripes painted over it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from actors.sim.scenes.shoe_mesh import ShoeMesh
from actors.sim.scenes.shoe_patterns import MATERIALS, PARTS, SOLE_PARTS, Part, Place
from actors.sim.scenes.shoe_shape import ShoeShape, bed, slit
from actors.sim.scenes.shoe_surface import Surface

WIDTH_PX, HEIGHT_PX = 1024, 256  # about as fine along a shoe as upwards
GUTTER_PX = 2  # keeps neighbours in the texture apart when it is shrunk
EYELET_M = 0.0028

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class ShoeLook:
    """Colours and patterns of a shoe; RGB, 0 to 255.

    Attributes:
        upper: ground colour.
        sole: with the heel's block.
        lining: with the insole.
        tongue: also between the eyelets.
        lace: with its ends.
        material: of the upper, one of ``MATERIALS``.
        parts: painted over the upper in this order; names from ``PARTS``.
        sole_parts: painted over the sole in this order; names from ``SOLE_PARTS``.
        shine: specular reflection, 0 to 1.
    """

    upper: Colour
    sole: Colour
    lining: Colour = (190, 180, 165)
    tongue: Colour = (60, 60, 65)
    lace: Colour = (240, 240, 235)
    material: str = "leather"
    parts: Mapping[str, Colour] = field(default_factory=dict)
    sole_parts: Mapping[str, Colour] = field(default_factory=dict)
    shine: float = 0.15


def shoe_texture(look: ShoeLook, shape: ShoeShape, mesh: ShoeMesh, rng: np.random.Generator) -> np.ndarray:
    """The texture that the mesh's regions point into, RGB uint8, shape (256, 1024, 3).

    Args:
        rng: of the material's grain.
    """
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), 128.0)
    plain = {"tread": look.sole, "block": look.sole, "tongue": look.tongue}
    for name, surface in mesh.surfaces.items():
        top, left, rows, columns = _pixels(surface)
        if name == "upper":
            patch = _upper(look, mesh, _place(surface, shape), rng)
        elif name == "sole":
            place = _place(surface, shape)
            patch = _painted(np.array(look.sole) * np.ones((*place.x.shape, 1)), place, look.sole_parts, SOLE_PARTS)
        elif name == "lining":
            depth = np.linspace(1.0, 0.5, rows)[::-1, None, None]  # little light falls into a shoe
            patch = np.array(look.lining) * depth
        else:
            patch = np.array(look.lace if name.startswith("lace") else plain[name])
        image[top : top + rows, left : left + columns] = patch
    return np.clip(image + rng.normal(0, 2, (HEIGHT_PX, WIDTH_PX, 1)), 0, 255).astype(np.uint8)


def _upper(look: ShoeLook, mesh: ShoeMesh, place: Place, rng: np.random.Generator) -> np.ndarray:
    tone = MATERIALS[look.material](place, rng)[..., None]
    patch = _painted(np.array(look.upper) * tone, place, look.parts, PARTS)
    patch = _mixed(patch, place.slit, np.array(look.tongue) * 0.8)
    here = np.stack([place.x, place.y, place.z], -1)
    for eyelet in mesh.eyelets_m:
        ring = np.linalg.norm(here - eyelet, axis=-1)
        patch = _mixed(patch, (ring < EYELET_M).astype(np.float64), np.array([70.0, 70.0, 72.0]))
    return patch


def _painted(patch: np.ndarray, place: Place, parts: Mapping[str, Colour], known: Mapping[str, Part]) -> np.ndarray:
    tone = patch / np.maximum(patch.mean(axis=(0, 1)), 1)
    for name, colour in parts.items():
        mask = known[name](place)
        seam = cv2.dilate(mask, np.ones((3, 3))) - cv2.erode(mask, np.ones((3, 3)))
        patch = _mixed(_mixed(patch, mask, np.array(colour) * (0.5 + 0.5 * tone)), 0.3 * seam, patch * 0.35)
    return patch


def _mixed(under: np.ndarray, share: np.ndarray, over: np.ndarray) -> np.ndarray:
    return np.asarray(under + share[..., None] * (over - under))


def _place(surface: Surface, shape: ShoeShape) -> Place:
    """The place of every pixel of a surface, gutter included."""
    points_m = surface.points_m
    rows, columns = points_m.shape[:2]
    height, width = _pixels(surface)[2:]
    up = np.pad(np.linspace(1, 0, height - 2 * GUTTER_PX), GUTTER_PX, mode="edge")
    around, level = np.meshgrid(np.linspace(0, 1, width), up)
    grid = (around * (columns - 1)).astype(np.float32), (level * (rows - 1)).astype(np.float32)
    points = cv2.remap(points_m.astype(np.float32), *grid, cv2.INTER_LINEAR).astype(np.float64)
    x = points[..., 0] / shape.length
    facing = shape.facing if shape.rows else 0.0
    between = slit(shape, points) if facing else np.zeros_like(x)
    return Place(x, points[..., 1], points[..., 2] - bed(shape, x), around, level, between, facing)


def _pixels(surface: Surface) -> tuple[int, int, int, int]:
    """Top, left, rows and columns of a surface in the texture, gutter included above and below."""
    left, top, right, bottom = (
        round(share * size) for share, size in zip(surface.region, 2 * (WIDTH_PX, HEIGHT_PX), strict=True)
    )
    return top - GUTTER_PX, left, bottom - top + 2 * GUTTER_PX, right - left
