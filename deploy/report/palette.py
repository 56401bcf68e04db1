"""Colours of the report: one name, one value for light pages and pictures, one for dark pages.

The keypoints' colours keep apart for every kind of colour vision (after Okabe and Ito), and from wood and steel.
"""

# Drawn on camera images, over a dark outline; by index of the keypoint.
KEYPOINTS_ON_IMAGES = ("#ffe14d", "#4fd2ff", "#ff7ad9")
OUTLINE = "#101216"

LIGHT = {
    "paper": "#fbfaf8",
    "card": "#ffffff",
    "ink": "#1d2026",
    "muted": "#666b75",
    "line": "#dfdcd5",
    "band": "#f1eee8",
    "truth": "#0a6c9e",
    "claim": "#c2570c",
    "other": "#7a4fa3",
}
DARK = {
    "paper": "#14161a",
    "card": "#1c1f25",
    "ink": "#eceae5",
    "muted": "#a0a5af",
    "line": "#343941",
    "band": "#22262d",
    "truth": "#5cc1f0",
    "claim": "#f5a45d",
    "other": "#c3a0ea",
}


def keypoint_colour(index: int) -> str:
    """Of the keypoint with this index; a model with more than three repeats them."""
    return KEYPOINTS_ON_IMAGES[index % len(KEYPOINTS_ON_IMAGES)]


def style_sheet_variables(palette: dict[str, str]) -> str:
    """As CSS custom properties: ``--ink: #1d2026; ...``."""
    return " ".join(f"--{name}: {value};" for name, value in palette.items())
