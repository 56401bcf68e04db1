"""Does OpenGL render here? Run as ``python -m deploy.render_probe``: names the renderer, exit status 0 if it does.

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


def probe() -> str:
    """Render a lit white plane; returns the name of the renderer.

    Raises:
        RuntimeError: it came out black. A missing or broken OpenGL raises whatever its loader raises.
    """
    import mujoco
    from OpenGL import GL  # type: ignore[import-untyped]

    model = mujoco.MjModel.from_xml_string(SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    with mujoco.Renderer(model, 32, 32) as renderer:
        renderer.update_scene(data, "above")
        brightness = renderer.render().mean()
        name = GL.glGetString(GL.GL_RENDERER).decode()
    if brightness < 30:
        raise RuntimeError(f"the picture of a white plane came out black (mean {brightness:.0f} of 255)")
    return str(name)


if __name__ == "__main__":
    sys.stdout.write(probe() + "\n")
