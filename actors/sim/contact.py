"""What touches what in a simulated world, and how hard."""

import mujoco
import numpy as np


def contact_force(model: mujoco.MjModel, data: mujoco.MjData, fixed_contype: int) -> np.ndarray:
    """The force that fixed things exert on all others, world frame, shape (3,), newtons.

    Args:
        model: of the world.
        data: its state, after a step.
        fixed_contype: contact type of the geoms that are fixed.
    """
    total, local = np.zeros(3), np.zeros(6)
    for index in range(data.ncon):
        contact = data.contact[index]
        fixed = [int(model.geom_contype[geom]) == fixed_contype for geom in contact.geom]
        if fixed[0] == fixed[1]:
            continue
        mujoco.mj_contactForce(model, data, index, local)
        # The contact frame's first axis points from the first geom to the second, which is pushed along it.
        on_second = contact.frame.reshape(3, 3).T @ local[:3]
        total += on_second if fixed[0] else -on_second
    return total
