"""Does OpenGL render here? Run as ``python -m deploy.render_probe``: exit status 0 if it does.

A process of its own, because a broken OpenGL may end the process that asks it.
"""

import os
import sys

os.environ.setdefault("MUJOCO_GL", "egl")  # as the simulated cell does; must precede the import

SCENE = """
<mujoco>
 <worldbody>
  <light pos="0 0 3"/>
  <camera name="above" pos="0 0 1"/>
  <geom type="plane" size="1 1 .1" rgba="1 1 1 1"/>
 </worldbody>
</mujoco>"""


def probe() -> str | None:
    """Render a lit white plane; what is wrong, or None."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 32, 32) as renderer:
        renderer.update_scene(data, "above")
        brightness = renderer.render().mean()
    return None if brightness > 30 else f"the picture of a white plane came out black (mean {brightness:.0f} of 255)"


if __name__ == "__main__":
    sys.exit(probe())
