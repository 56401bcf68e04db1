"""A soft toy: stuffed parts on springy ball joints, as MJCF."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from actors.sim.scenes.scene import Fragment
from s3k_dist.images import Encoding, encode_image

FUR_PX = 128
UNSEEN_GROUP = 4  # MuJoCo draws groups 0 to 2

Form = Literal["ball", "cone"]
Colour = tuple[float, float, float]  # RGB, 0 to 1
Metres = tuple[float, float, float]
Degrees = tuple[float, float, float]


@dataclass(frozen=True)
class Piece:
    """A stuffed piece of cloth.

    Attributes:
        colour: a key of the toy's colours.
        at: middle of a ball, middle of the base of a cone, in the part's frame.
        size: semi-axes of a ball, which may be an ellipsoid; radii and height of a cone, which points along its z.
        turn_deg: about x, then the new y, then the new z.
        form: one of ``FORMS``.
        solid: only balls can be; trimmings are not, they touch nothing.
    """

    colour: str
    at: Metres
    size: Metres
    turn_deg: Degrees = (0.0, 0.0, 0.0)
    form: Form = "ball"
    solid: bool = False


@dataclass(frozen=True)
class Part:
    """Pieces that move together.

    Attributes:
        name: unique in the toy.
        at: the joint, in the parent's frame.
        pieces: in a frame at the joint.
        turn_deg: of that frame in the parent's.
        mass_kg: of the solid pieces together.
        stiffness: of the joint, newton metres per radian.
        bend_rad: how far the part is bent at random, standard deviation about each axis.
        parts: that hang on this one.
    """

    name: str
    at: Metres
    pieces: tuple[Piece, ...]
    turn_deg: Degrees = (0.0, 0.0, 0.0)
    mass_kg: float = 0.01
    stiffness: float = 0.03
    bend_rad: float = 0.35
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True)
class Toy:
    """A toy with its own frame: x towards the head, y to the left, z from belly to back.

    Attributes:
        name: unique in the world.
        torso: the part that floats.
        colours: by the names that pieces give.
    """

    name: str
    torso: Part
    colours: Mapping[str, Colour]

    @property
    def limbs(self) -> tuple[Part, ...]:
        """All parts but the torso, parents first."""
        return tuple(_below(self.torso))

    def recoloured(self, name: str, **colours: Colour) -> "Toy":
        """The same toy in other colours."""
        return replace(self, name=name, colours={**self.colours, **colours})


def toy_fragment(toy: Toy, rng: np.random.Generator) -> Fragment:
    """MJCF of a toy: bodies, joints and geoms are called ``<toy>_<part>``.

    Args:
        toy: which.
        rng: of its fur.
    """
    fur = f"{toy.name}_fur"
    asset = f'<texture name="{fur}" type="cube" file="{fur}.png" gridsize="1 1"/>'
    asset += "".join(
        f'<material name="{toy.name}_{name}" texture="{fur}" rgba="{_text(colour)} 1" specular="0.02"/>'
        for name, colour in toy.colours.items()
    )
    shapes = {(piece.form, piece.size) for part in (toy.torso, *toy.limbs) for piece in part.pieces}
    asset += "".join(
        f'<mesh name="{_mesh_name(toy, form, size)}" vertex="{_text(FORMS[form].ravel())}" scale="{_text(size)}"/>'
        for form, size in sorted(shapes)
    )
    return Fragment(asset, _body(toy, toy.torso, "<freejoint/>"), {f"{fur}.png": _fur(rng)})


def _body(toy: Toy, part: Part, joint: str) -> str:
    name = f"{toy.name}_{part.name}"
    solid = [np.prod(piece.size) for piece in part.pieces if piece.solid]
    geoms = "".join(_geom(toy, piece, part.mass_kg * np.prod(piece.size) / np.sum(solid)) for piece in part.pieces)
    children = "".join(
        _body(
            toy,
            child,
            # Nearly critically damped: a plush toy does not swing.
            f'<joint name="{toy.name}_{child.name}" type="ball" stiffness="{child.stiffness}" '
            f'damping="{0.08 * child.stiffness}" armature="5e-5"/>',
        )
        for child in part.parts
    )
    return f'<body name="{name}" pos="{_text(part.at)}" euler="{_text(part.turn_deg)}">{joint}{geoms}{children}</body>'


def _geom(toy: Toy, piece: Piece, mass_kg: float) -> str:
    place = f'pos="{_text(piece.at)}" euler="{_text(piece.turn_deg)}"'
    mesh = _mesh_name(toy, piece.form, piece.size)
    look = f'<geom class="look" type="mesh" mesh="{mesh}" material="{toy.name}_{piece.colour}" {place}/>'
    if not piece.solid:
        return look
    # Toys touch each other and the table, softly. What touches is smooth; what is drawn has fewer corners than
    # MuJoCo's own ellipsoids, which doubles the speed of software rendering.
    touch = 'contype="2" conaffinity="3" condim="4" friction="1.2 .02 .001" solref=".03 1" solimp=".5 .95 .02"'
    size = f'size="{_text(piece.size)}" mass="{mass_kg:.6f}"'
    return f'{look}<geom type="ellipsoid" group="{UNSEEN_GROUP}" {size} {place} {touch}/>'


def _below(part: Part) -> list[Part]:
    return [each for child in part.parts for each in (child, *_below(child))]


def _mesh_name(toy: Toy, form: str, size: Metres) -> str:
    return f"{toy.name}_{form}_" + "_".join(f"{1e4 * value:.0f}" for value in size)


def _fur(rng: np.random.Generator) -> bytes:
    """Tufts in shades of grey, PNG; a material's colour tints them."""
    strands = cv2.GaussianBlur(rng.normal(0, 1, (FUR_PX, FUR_PX)), (3, 15), 0, borderType=cv2.BORDER_REFLECT)
    tufts = cv2.GaussianBlur(rng.normal(0, 1, (FUR_PX, FUR_PX)), (0, 0), 5, borderType=cv2.BORDER_REFLECT)
    tone = 225 + 55 * strands + 160 * tufts
    return encode_image(np.repeat(tone[..., None], 3, -1).clip(90, 255).astype(np.uint8), Encoding.PNG)


def _ball() -> np.ndarray:
    """A ball of radius 1, evenly covered (Fibonacci lattice), shape (90, 3)."""
    height = np.linspace(1, -1, 90)
    turn = np.arange(90) * np.pi * (3 - np.sqrt(5))
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), height], -1)


def _cone() -> np.ndarray:
    """A cone with a round tip, of radius and height 1, on z = 0, shape (50, 3)."""
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    profile = ((0.0, 1.0), (0.35, 0.80), (0.7, 0.45), (0.92, 0.16), (1.0, 0.03))  # height, radius
    return np.concatenate([np.stack([r * np.cos(turn), r * np.sin(turn), 0 * turn + z], -1) for z, r in profile])


FORMS: Mapping[Form, np.ndarray] = {"ball": _ball(), "cone": _cone()}  # corners; MuJoCo draws their hulls


def _text(values: np.ndarray | tuple[float, ...]) -> str:
    return " ".join(f"{value:.5g}" for value in values)
