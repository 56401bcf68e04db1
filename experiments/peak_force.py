"""What velocity admittance is worth (App. C): hard pushes on the socket's rim, and insertions, with and without it.

python -m experiments.peak_force        # some ten minutes of one core; writes docs/experiments/peak_force.md
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import fmean, median

import numpy as np

from actors.cell import CONTROL_PERIOD_S
from actors.safety.gate import Command, Reading, SafetyGate
from actors.safety.limits import SafetyLimits
from actors.sim.arrangement import Randomisation
from actors.sim.cable import CableSpec
from actors.sim.cell import SERVO_S, CableCell, CableCellSpec
from actors.sim.demonstrate import IMAGE_PX, unrendered_cell
from actors.sim.expert import expert_twist
from deploy.robot_file import read_robot_file
from experiments.machine import machine
from experiments.pages import SERIES, axes, save, table
from s3k_dist.atomic import write_atomic
from s3k_dist.folders import make_folder

PAGE = Path("docs/experiments/peak_force.md")
PUSHES, PUSH_S, SPEED_M_S = 40, 5.0, 0.05
EPISODES, EPISODE_S, INSERTED = 100, 10.0, 0.9
RIM_M = 0.010  # from the hole's middle: on the socket's face, beyond the funnel
ABOVE_M, BESIDE_M, RATE = 0.008, 0.003, 2.5
# Held so short and stiff that nothing but the robot gives way.
STIFF = CableSpec(free_length_m=0.01, bending_stiffness=0.1)
NO_STOP_N, NEVER_N = 1e3, 999.0

Policy = Callable[[CableCell], np.ndarray]


@dataclass(frozen=True)
class Push:
    """What one run felt.

    Attributes:
        force_n: after every tick of the servo, shape (ticks,).
    """

    force_n: np.ndarray

    @property
    def peak_n(self) -> float:
        """The hardest."""
        return float(self.force_n.max())


def drive(cell: CableCell, limits: SafetyLimits, step_s: float, policy: Policy, seconds: float) -> Push:
    """Let a policy command the cell's gripper through the gate, in simulated time, at the rate of control."""
    gate = SafetyGate(limits, step_s, has_wrench=True)
    gate.begin(cell.gripper().position_m)
    ticks, every = round(step_s / SERVO_S), round(CONTROL_PERIOD_S / step_s)
    felt = [cell.contact_force_n()]
    for step in range(round(seconds / step_s)):
        now_s = step * step_s
        if step % every == 0:
            gate.command(Command(policy(cell), now_s))
        gate.read(Reading(cell.gripper().position_m, now_s, felt[-1], now_s))
        motion = gate.step(now_s)
        for _ in range(ticks):
            cell.advance(motion.twist, SERVO_S)
            felt.append(cell.contact_force_n())
    return Push(np.linalg.norm(felt, axis=1))


class PushTheRim:
    """Goes above a point of the socket's face, then down as fast as the robot may, whatever it feels."""

    def __init__(self, cell: CableCell, seed: int) -> None:
        heading = np.random.default_rng(seed).uniform(0, 2 * np.pi)
        self._point_m = cell.truth().keypoints_m[2] + RIM_M * np.array([np.cos(heading), np.sin(heading), 0.0])
        self._down = False

    def __call__(self, cell: CableCell) -> np.ndarray:
        """The next twist."""
        tip, _ = cell.plug_pose()
        away = self._point_m + np.array([0.0, 0.0, ABOVE_M]) - tip
        self._down |= bool(np.linalg.norm(away) < BESIDE_M)
        linear = np.array([0.0, 0.0, -SPEED_M_S]) if self._down else np.clip(RATE * away, -SPEED_M_S, SPEED_M_S)
        return np.concatenate([linear, np.zeros(3)])


def pushes(limits: SafetyLimits, step_s: float, count: int) -> list[Push]:
    """Hard pushes on a plug that is held stiffly, each at another place."""
    spec = CableCellSpec(
        image_px=IMAGE_PX, rendered=False, cable=STIFF, randomisation=replace(Randomisation(), bend_rad=0.0)
    )
    cell = CableCell(spec)
    felt = []
    for seed in range(count):
        cell.reset(seed)
        felt.append(drive(cell, limits, step_s, PushTheRim(cell, seed), PUSH_S))
    cell.stop()
    return felt


def insertions(level: str, limits: SafetyLimits, step_s: float, count: int) -> tuple[float, float]:
    """Share of the scripted expert's episodes that insert, by truth; mean of their hardest forces, newtons."""
    cell = unrendered_cell(level)
    inserted, peaks = [], []
    for seed in range(count):
        cell.reset(seed)
        peaks.append(drive(cell, limits, step_s, expert_twist, EPISODE_S).peak_n)
        inserted.append(cell.truth().depth >= INSERTED)
    cell.stop()
    return fmean(inserted), fmean(peaks)


def without(limits: SafetyLimits) -> SafetyLimits:
    """The same limits without admittance."""
    return limits.model_copy(update={"yield_force_n": NEVER_N, "yield_m_s_n": 0.0})


def page(limits: SafetyLimits, step_s: float, count: int, episodes: int) -> str:
    """Measure, and write it down."""
    free = limits.model_copy(update={"stop_force_n": NO_STOP_N})
    both = {"with": free, "without": without(free)}
    felt = {name: pushes(each, step_s, count) for name, each in both.items()}
    rows = []
    for name, runs in felt.items():
        peaks = [run.peak_n for run in runs]
        rows.append([name, f"{median(peaks):.1f}", f"{np.percentile(peaks, 90):.1f}", f"{max(peaks):.1f}"])
    ratio = median(run.peak_n for run in felt["with"]) / median(run.peak_n for run in felt["without"])
    expert = []
    for level in ("easy", "standard"):
        for name, each in both.items():
            success, peak = insertions(level, each, step_s, episodes)
            expert.append([level, name, f"{100 * success:.0f}%", f"{peak:.1f}"])
    parts = [
        "# Pushing against the socket, with and without admittance",
        f"Made by `python -m experiments.peak_force`; numbers are not edited. Machine: {machine()}.",
        f"The tool is sent down onto the rim of the socket at {1e3 * SPEED_M_S:.0f} mm/s for {PUSH_S:.0f} s, "
        f"{count} times at other places, through the safety gate with the limits of the simulated robot "
        f"(`deploy/robots/simulated.yaml`): it yields {1e3 * limits.yield_m_s_n:.0f} mm/s for each newton above "
        f"{limits.yield_force_n:g} N. The plug is held so short and stiff that only the robot can give way; its servo "
        "ends at 20 N along each axis. The stop by force is switched off, or it would cut the comparison short.",
        table(["admittance", "median peak, N", "90th percentile, N", "worst, N"], rows),
        f"Median peak with admittance: {ratio:.2f} of that without.",
        _figure(felt),
        f"Insertions by the scripted expert through the same gate, {episodes} episodes each, by truth; the cable "
        "is the level's (docs/experiments/levels.md).",
        table(["level", "admittance", "inserted", "mean peak, N"], expert),
    ]
    return "\n\n".join(parts) + "\n"


def _figure(felt: dict[str, list[Push]]) -> str:
    figure, plot = axes()
    for name, colour in (("without", SERIES[1]), ("with", SERIES[0])):
        forces = np.stack([_from_contact(run.force_n) for run in felt[name]])
        time_s = SERVO_S * np.arange(forces.shape[1])
        low, middle, high = np.percentile(forces, (10, 50, 90), axis=0)
        plot.fill_between(time_s, low, high, color=colour, alpha=0.2, linewidth=0)
        plot.plot(time_s, middle, color=colour, label=f"{name} admittance")
    plot.set(xlabel="seconds since contact", ylabel="force on the tool, N", title="Median and 80% of pushes")
    plot.legend(frameon=False)
    return save(figure, "peak_force")


def _from_contact(force_n: np.ndarray) -> np.ndarray:
    """The second after the tool first touched; zeros if it never did."""
    length = round(1.0 / SERVO_S)
    touched = np.flatnonzero(force_n > 0.2)
    begin = int(touched[0]) if len(touched) else len(force_n)
    part = force_n[begin : begin + length]
    return np.pad(part, (0, length - len(part)))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.peak_force")
    parser.add_argument("--pushes", type=int, default=PUSHES, help="default: %(default)s")
    parser.add_argument("--episodes", type=int, default=EPISODES, help="default: %(default)s")
    options = parser.parse_args(arguments)
    robot = read_robot_file(Path(str(resources.files("deploy") / "robots" / "simulated.yaml")))
    make_folder(PAGE.parent)
    write_atomic(PAGE, page(robot.limits, robot.step_s, options.pushes, options.episodes).encode())
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
