"""Three soft toys: a fox, a bear, a rabbit. Each lies on its belly, x towards the head."""

from actors.sim.scenes.toy import Metres, Part, Piece, Toy

BLACK, WHITE = (0.06, 0.05, 0.05), (0.98, 0.96, 0.92)
FORWARDS = (0.0, 90.0, 0.0)  # turns a cone's tip to x


def _pair(piece: Piece) -> tuple[Piece, Piece]:
    """A piece on the left and its like on the right."""
    (x, y, z), (about_x, about_y, about_z) = piece.at, piece.turn_deg
    return piece, Piece(piece.colour, (x, -y, z), piece.size, (-about_x, about_y, -about_z), piece.form, piece.solid)


def _legs(name: str, at: Metres, yaw_deg: float, length: float, thick: float) -> tuple[Part, Part]:
    """A left and a right leg, each along its own x, with a paw at the end."""
    pieces = (
        Piece("coat", (0.45 * length, 0.0, 0.0), (0.62 * length, thick, thick), solid=True),
        Piece("paw", (0.92 * length, 0.0, 0.0), (1.3 * thick, 1.15 * thick, 1.08 * thick), solid=True),
    )
    return (
        Part(f"left_{name}", at, pieces, turn_deg=(0.0, 0.0, yaw_deg), mass_kg=0.012),
        Part(f"right_{name}", (at[0], -at[1], at[2]), pieces, turn_deg=(0.0, 0.0, -yaw_deg), mass_kg=0.012),
    )


_FOX_HEAD = (
    Piece("coat", (0.036, 0.0, 0.012), (0.047, 0.056, 0.046), solid=True),
    *_pair(Piece("belly", (0.044, 0.027, -0.008), (0.034, 0.034, 0.026), (0.0, 0.0, 25.0))),
    Piece("belly", (0.056, 0.0, -0.006), (0.026, 0.027, 0.056), FORWARDS, "cone"),
    Piece("coat", (0.050, 0.0, 0.006), (0.022, 0.020, 0.058), FORWARDS, "cone"),
    Piece("button", (0.112, 0.0, -0.001), (0.010, 0.012, 0.010)),
    *_pair(Piece("button", (0.073, 0.024, 0.020), (0.008, 0.009, 0.010))),
    *_pair(Piece("coat", (0.022, 0.034, 0.038), (0.015, 0.030, 0.062), (-20.0, 0.0, 0.0), "cone")),
    *_pair(Piece("belly", (0.031, 0.035, 0.042), (0.010, 0.019, 0.042), (-20.0, 0.0, 0.0), "cone")),
    *_pair(Piece("paw", (0.022, 0.0465, 0.072), (0.011, 0.020, 0.030), (-20.0, 0.0, 0.0), "cone")),
)
_FOX_TAIL_END = (
    Piece("coat", (0.030, 0.0, 0.0), (0.048, 0.035, 0.032), solid=True),
    Piece("belly", (0.046, 0.0, 0.0), (0.031, 0.034, 0.060), FORWARDS, "cone"),
    Piece("belly", (0.070, 0.0, 0.0), (0.026, 0.019, 0.018), solid=True),
)
_FOX_TAIL = Part(
    "tail",
    (-0.078, 0.0, 0.008),
    (Piece("coat", (0.040, 0.0, 0.0), (0.054, 0.025, 0.023), solid=True),),
    turn_deg=(0.0, 0.0, 180.0),
    bend_rad=0.5,
    parts=(Part("tail_end", (0.070, 0.0, 0.0), _FOX_TAIL_END, mass_kg=0.012, bend_rad=0.35),),
)
FOX = Toy(
    "fox",
    Part(
        "torso",
        (0.0, 0.0, 0.0),
        (
            Piece("coat", (0.0, 0.0, 0.0), (0.090, 0.055, 0.050), solid=True),
            Piece("belly", (0.040, 0.0, -0.014), (0.050, 0.046, 0.040)),
            Piece("belly", (-0.005, 0.0, -0.014), (0.070, 0.042, 0.040)),
        ),
        mass_kg=0.08,
        parts=(
            Part("head", (0.080, 0.0, 0.022), _FOX_HEAD, mass_kg=0.035, stiffness=0.06, bend_rad=0.3),
            *_legs("front_leg", (0.056, 0.036, -0.014), 28.0, 0.090, 0.022),
            *_legs("hind_leg", (-0.056, 0.040, -0.016), 140.0, 0.080, 0.025),
            _FOX_TAIL,
        ),
    ),
    {"coat": (0.93, 0.43, 0.10), "belly": WHITE, "paw": (0.22, 0.13, 0.10), "button": BLACK},
)

_BEAR_HEAD = (
    Piece("coat", (0.040, 0.0, 0.012), (0.052, 0.056, 0.052), solid=True),
    Piece("belly", (0.078, 0.0, -0.004), (0.026, 0.028, 0.022)),
    Piece("button", (0.103, 0.0, 0.004), (0.008, 0.012, 0.008)),
    *_pair(Piece("button", (0.081, 0.022, 0.024), (0.007, 0.008, 0.008))),
    *_pair(Piece("coat", (0.030, 0.046, 0.050), (0.013, 0.023, 0.023))),
    *_pair(Piece("belly", (0.039, 0.046, 0.050), (0.008, 0.014, 0.014))),
)
BEAR = Toy(
    "bear",
    Part(
        "torso",
        (0.0, 0.0, 0.0),
        (
            Piece("coat", (0.0, 0.0, 0.0), (0.085, 0.064, 0.056), solid=True),
            Piece("belly", (0.0, 0.0, -0.016), (0.066, 0.050, 0.045)),
            Piece("coat", (-0.086, 0.0, 0.012), (0.018, 0.018, 0.018)),
        ),
        mass_kg=0.09,
        parts=(
            Part("head", (0.074, 0.0, 0.022), _BEAR_HEAD, mass_kg=0.035, stiffness=0.06, bend_rad=0.3),
            *_legs("front_leg", (0.052, 0.046, -0.010), 45.0, 0.080, 0.026),
            *_legs("hind_leg", (-0.056, 0.046, -0.014), 140.0, 0.080, 0.029),
        ),
    ),
    {"coat": (0.45, 0.28, 0.16), "belly": (0.84, 0.70, 0.50), "paw": (0.84, 0.70, 0.50), "button": BLACK},
)

_RABBIT_HEAD = (
    Piece("coat", (0.036, 0.0, 0.012), (0.048, 0.047, 0.044), solid=True),
    *_pair(Piece("belly", (0.072, 0.012, -0.004), (0.017, 0.017, 0.015))),
    Piece("paw", (0.088, 0.0, 0.006), (0.007, 0.009, 0.006)),
    *_pair(Piece("button", (0.069, 0.026, 0.020), (0.008, 0.008, 0.009))),
)
_RABBIT_EAR = (
    Piece("coat", (0.046, 0.0, 0.0), (0.056, 0.020, 0.009), solid=True),
    Piece("paw", (0.048, 0.0, 0.004), (0.044, 0.013, 0.007)),
)
RABBIT = Toy(
    "rabbit",
    Part(
        "torso",
        (0.0, 0.0, 0.0),
        (
            Piece("coat", (0.0, 0.0, 0.0), (0.082, 0.056, 0.052), solid=True),
            Piece("belly", (0.004, 0.0, -0.014), (0.066, 0.044, 0.042)),
            Piece("belly", (-0.086, 0.0, 0.014), (0.024, 0.024, 0.024)),
        ),
        mass_kg=0.08,
        parts=(
            Part(
                "head",
                (0.072, 0.0, 0.022),
                _RABBIT_HEAD,
                mass_kg=0.03,
                stiffness=0.06,
                bend_rad=0.3,
                parts=(
                    Part("left_ear", (0.014, 0.022, 0.048), _RABBIT_EAR, turn_deg=(0.0, -20.0, 150.0), mass_kg=0.006),
                    Part(
                        "right_ear", (0.014, -0.022, 0.048), _RABBIT_EAR, turn_deg=(0.0, -20.0, -150.0), mass_kg=0.006
                    ),
                ),
            ),
            *_legs("front_leg", (0.054, 0.036, -0.014), 20.0, 0.080, 0.021),
            *_legs("hind_leg", (-0.050, 0.044, -0.018), 150.0, 0.085, 0.027),
        ),
    ),
    {"coat": (0.62, 0.64, 0.70), "belly": WHITE, "paw": (0.93, 0.68, 0.70), "button": BLACK},
)
