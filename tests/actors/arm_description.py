"""A description of an arm with Sawyer's joints: origins, axes and speeds of its seven joints, and its hand."""

JOINTS = tuple(f"right_j{i}" for i in range(7))
TIP = "right_hand"
HALF = 1.57079632679
ORIGINS = (
    ("0 0 0.08", "0 0 0"),
    ("0.081 0.05 0.237", f"-{HALF} {HALF} 0"),
    ("0 -0.14 0.1425", f"{HALF} 0 0"),
    ("0 -0.042 0.26", f"-{HALF} 0 0"),
    ("0 -0.125 -0.1265", f"{HALF} 0 0"),
    ("0 0.031 0.275", f"-{HALF} 0 0"),
    ("0 -0.11 0.1053", f"-{HALF} -0.17453 3.1416"),
)
SPEEDS = (1.74, 1.328, 1.957, 1.957, 3.485, 3.485, 4.545)


def urdf() -> str:
    parts = ['<link name="base"/>', '<link name="head"/>']
    parts.append(_joint("head_pan", "revolute", "base", "head", "0 0 0.4", "0 0 0", 1.0))
    parent = "base"
    for joint, (xyz, rpy), speed in zip(JOINTS, ORIGINS, SPEEDS, strict=True):
        child = joint.replace("_j", "_l")
        parts += [
            f'<link name="{child}"><visual><geometry><mesh filename="package://not/here.dae"/></geometry></visual></link>'
        ]
        parts.append(_joint(joint, "revolute", parent, child, xyz, rpy, speed))
        parent = child
    parts.append(f'<link name="{TIP}"/>')
    parts.append(_joint(TIP, "fixed", parent, TIP, "0 0 0.0245", f"0 0 {HALF}", None))
    return f'<robot name="sawyer">{"".join(parts)}</robot>'


def _joint(name: str, kind: str, parent: str, child: str, xyz: str, rpy: str, speed: float | None) -> str:
    limit = "" if speed is None else f'<limit effort="80" lower="-3.0" upper="3.0" velocity="{speed}"/>'
    origin = f'<origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="0 0 1"/>'
    return f'<joint name="{name}" type="{kind}"><parent link="{parent}"/><child link="{child}"/>{origin}{limit}</joint>'
