"""Sixteen shoes, from sneaker to boot.

The last four are held out: a basketball shoe, a chelsea boot, a knit trainer, a boat shoe. Each has relatives among the
twelve to train on, and no twin.
"""

from actors.sim.scenes.shoe_shape import ShoeShape
from actors.sim.scenes.shoe_texture import ShoeLook

WHITE, CREAM, BLACK, GREY = (238, 238, 234), (226, 214, 186), (34, 34, 38), (128, 130, 134)
TAN, BROWN, DARK_BROWN, GUM = (196, 138, 74), (122, 68, 36), (64, 40, 28), (170, 118, 70)
RED, BLUE, NAVY = (196, 32, 38), (28, 84, 190), (30, 42, 84)
GREEN, YELLOW, ORANGE = (30, 122, 72), (242, 196, 30), (238, 112, 28)
PURPLE, PINK, LIME, TEAL = (98, 52, 148), (236, 116, 156), (186, 230, 40), (24, 140, 140)

# fmt: off
CANVAS_SHOE = ShoeShape(sole=0.024, lift=0.002, spring=0.006, toe_box=0.036, instep=0.07, padding=0.002, rows=6)
RUNNING_SHOE = ShoeShape(length=0.28, sole=0.026, lift=0.012, spring=0.022, flare=0.006, toe_box=0.04, instep=0.078,
    counter=0.066, padding=0.009)
DRESS_SHOE = ShoeShape(length=0.287, roundness=0.86, toe=0.05, sole=0.009, lift=0.02, spring=0.01, block=0.26,
    flare=0.004, toe_box=0.036, throat=0.52, instep=0.07, counter=0.056, padding=0.002, facing=0.66, rows=4,
    tongue=0.012)

DESIGNS: tuple[tuple[str, ShoeShape, ShoeLook], ...] = (
    ("canvas sneaker",
     CANVAS_SHOE,
     ShoeLook(RED, WHITE, tongue=(170, 28, 34), material="canvas", parts={"toe_cap": WHITE, "back_strip": WHITE},
         sole_parts={"stripe": NAVY}, shine=0.05)),
    ("running shoe",
     RUNNING_SHOE,
     ShoeLook(BLUE, WHITE, lining=(40, 60, 110), tongue=NAVY, lace=LIME, material="mesh", parts={"mudguard": NAVY,
         "counter": NAVY, "swoosh": LIME, "eyestay": NAVY}, sole_parts={"wedge": LIME, "outsole": BLACK}, shine=0.1)),
    ("penny loafer",
     ShoeShape(length=0.28, roundness=0.72, sole=0.009, lift=0.018, spring=0.01, block=0.25, toe_box=0.036,
         throat=0.58, instep=0.06, counter=0.054, dip=0.012, padding=0.002, rows=0),
     ShoeLook(BROWN, DARK_BROWN, parts={"apron_seam": (84, 44, 22), "penny_strap": (146, 84, 44)}, sole_parts={"welt":
         TAN}, shine=0.4)),
    ("high-top",
     ShoeShape(length=0.285, sole=0.026, lift=0.002, spring=0.006, toe_box=0.036, instep=0.08, counter=0.07, dip=0.0,
         shaft=0.06, throat=0.5, opening=0.033, padding=0.002, rows=8, tongue=0.022),
     ShoeLook(BLACK, WHITE, lining=GREY, tongue=BLACK, material="canvas", parts={"toe_cap": WHITE, "foxing": WHITE,
         "back_strip": WHITE, "star_patch": WHITE}, sole_parts={"stripe": BLACK, "bumper": WHITE}, shine=0.05)),
    ("work boot",
     ShoeShape(length=0.285, ball=0.053, sole=0.016, lift=0.016, spring=0.012, block=0.28, flare=0.006, toe_box=0.05,
         instep=0.086, counter=0.08, dip=0.0, shaft=0.075, opening=0.037, padding=0.01, rows=8),
     ShoeLook((206, 150, 74), (72, 48, 32), tongue=TAN, lace=(110, 70, 36), material="suede", parts={"counter": (178,
         122, 58), "collar": DARK_BROWN, "eyestay": (186, 130, 62)}, sole_parts={"welt": CREAM, "lugs": (46, 32, 24)},
         shine=0.02)),
    ("court shoe",
     ShoeShape(length=0.25, ball=0.042, waist=0.03, heel=0.028, toe=0.045, roundness=0.92, sole=0.006, lift=0.06,
         spring=0.004, flare=0.001, block=0.17, stem=0.5, toe_box=0.03, throat=0.68, instep=0.028, counter=0.052,
         dip=0.02, opening=0.027, padding=0.002, rows=0),
     ShoeLook((168, 16, 44), (40, 20, 26), lining=CREAM, material="rubber", shine=0.8)),
    ("skate shoe",
     ShoeShape(length=0.275, ball=0.052, sole=0.025, lift=0.0, spring=0.005, toe_box=0.037, instep=0.072,
         counter=0.058, padding=0.009, rows=5),
     ShoeLook(GREEN, CREAM, tongue=(24, 96, 58), material="suede", parts={"wave": WHITE, "heel_tab": WHITE},
         sole_parts={"outsole": GUM}, shine=0.02)),
    ("slip-on",
     ShoeShape(length=0.27, sole=0.024, lift=0.0, spring=0.005, toe_box=0.035, throat=0.56, instep=0.062,
         counter=0.056, dip=0.01, padding=0.006, rows=0),
     ShoeLook(WHITE, WHITE, lining=BLACK, material="canvas", parts={"check": BLACK, "collar": BLACK},
         sole_parts={"stripe": BLACK}, shine=0.05)),
    ("brogue",
     DRESS_SHOE,
     ShoeLook(TAN, (80, 50, 30), tongue=(150, 98, 50), lace=DARK_BROWN, parts={"wing_tip": (112, 62, 30), "brogueing":
         CREAM, "counter": (112, 62, 30)}, sole_parts={"welt": CREAM}, shine=0.35)),
    ("rain boot",
     ShoeShape(length=0.28, ball=0.051, sole=0.014, lift=0.012, spring=0.008, block=0.28, flare=0.004, toe_box=0.046,
         instep=0.088, counter=0.082, dip=0.0, shaft=0.12, throat=0.53, opening=0.04, padding=0.002, rows=0),
     ShoeLook(YELLOW, (90, 92, 60), lining=CREAM, material="rubber", parts={"foxing": (200, 158, 20), "collar": (90,
         92, 60)}, shine=0.6)),
    ("trail shoe",
     ShoeShape(length=0.28, ball=0.053, sole=0.03, lift=0.01, spring=0.02, flare=0.008, toe_box=0.044, instep=0.08,
         counter=0.068, padding=0.01),
     ShoeLook(ORANGE, (70, 74, 80), lining=BLACK, tongue=BLACK, lace=BLACK, material="mesh", parts={"knit_bands":
         (202, 84, 16), "mudguard": (60, 62, 68), "heel_tab": YELLOW, "eyestay": (60, 62, 68)}, sole_parts={"lugs":
         BLACK, "stripe": YELLOW}, shine=0.1)),
    ("tennis shoe",
     ShoeShape(length=0.28, sole=0.026, lift=0.004, spring=0.008, toe_box=0.038, instep=0.074, counter=0.062,
         padding=0.008),
     ShoeLook(WHITE, WHITE, tongue=WHITE, parts={"three_stripes": GREEN, "heel_tab": GREEN, "eyestay": (222, 222,
         218)}, shine=0.25)),
    ("basketball shoe",
     ShoeShape(length=0.285, ball=0.053, sole=0.03, lift=0.006, spring=0.012, flare=0.005, toe_box=0.042,
         instep=0.084, counter=0.074, dip=0.0, shaft=0.045, opening=0.035, padding=0.01, rows=8, tongue=0.03),
     ShoeLook(WHITE, WHITE, lining=BLACK, tongue=PURPLE, lace=BLACK, parts={"counter": PURPLE, "mudguard": PURPLE,
         "collar": BLACK, "swoosh": YELLOW, "eyestay": BLACK}, sole_parts={"outsole": PURPLE}, shine=0.25)),
    ("chelsea boot",
     ShoeShape(length=0.285, roundness=0.76, toe=0.052, sole=0.01, lift=0.022, spring=0.01, block=0.26, toe_box=0.04,
         instep=0.082, counter=0.08, dip=0.0, shaft=0.07, throat=0.52, opening=0.035, padding=0.002, rows=0),
     ShoeLook((70, 44, 34), BLACK, lining=TAN, parts={"elastic": (26, 24, 26), "back_strip": (52, 32, 24)},
         shine=0.3)),
    ("knit trainer",
     ShoeShape(length=0.265, ball=0.047, roundness=0.7, toe=0.051, sole=0.022, lift=0.016, spring=0.026, flare=0.005,
         toe_box=0.034, throat=0.47, instep=0.082, counter=0.072, dip=0.016, padding=0.004, rows=4, facing=0.66,
         tongue=0.02),
     ShoeLook(PINK, WHITE, lining=TEAL, tongue=TEAL, lace=WHITE, material="mesh", parts={"knit_bands": TEAL,
         "counter": TEAL}, sole_parts={"wedge": PINK}, shine=0.08)),
    ("boat shoe",
     ShoeShape(length=0.275, roundness=0.7, sole=0.016, lift=0.006, spring=0.006, toe_box=0.036, throat=0.54,
         instep=0.06, counter=0.052, dip=0.006, padding=0.003, rows=2, facing=0.66, tongue=0.016),
     ShoeLook(NAVY, WHITE, lining=TAN, tongue=NAVY, lace=TAN, parts={"apron_seam": CREAM, "counter": TAN, "collar":
         TAN}, sole_parts={"stripe": TAN}, shine=0.2)),
)
# fmt: on
