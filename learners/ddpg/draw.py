"""Which slots a batch is made of, and how much each row weighs (Schaul et al. 2016), with a share of demonstrations."""

import numpy as np

from learners.ddpg.sum_tree import SumTree


def draw_slots(
    tree: SumTree,
    random: np.random.Generator,
    *,
    batches: int,
    rows: int,
    demonstrations: int,
    ring_start: int,
    stored: int,
    demonstration_fraction: float,
    exactly: bool,
    importance_exponent: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw by priority, stratified within each batch.

    Args:
        tree: mass (priority to the exponent alpha) of each slot.
        random: drawn from once for each group of rows.
        batches: how many batches.
        rows: of each batch.
        demonstrations: slots [0, demonstrations) hold demonstrations.
        ring_start: slots from here on hold the agent's own rows.
        stored: N, rows of both kinds that have a mass.
        demonstration_fraction: that share of the rows is drawn among demonstrations, if there are any, the others among
            all.
        exactly: the others are drawn among the agent's own rows, as soon as there are any.
        importance_exponent: beta.

    Returns:
        Slots, and importance weights w = (N P)^-beta / max w, both of shape (batches, rows): P is the probability of a
        slot under this mixture, and the largest weight within each batch is 1.
    """
    total, demonstration_mass = tree.total, float(tree.mass(slice(0, demonstrations)).sum())
    # The stretch of the line that the others are drawn from begins here; 0 is the start of the demonstrations.
    others_from = demonstration_mass if exactly and total > demonstration_mass else 0.0
    reserved = int(np.ceil(demonstration_fraction * rows)) if demonstration_mass > 0 else 0

    slots = np.empty((batches, rows), dtype=np.int64)
    among_demonstrations = _stratified(random, batches, reserved) * demonstration_mass
    among_others = others_from + _stratified(random, batches, rows - reserved) * (total - others_from)
    # Rounding must not carry a position across the border between the two.
    slots[:, :reserved] = np.minimum(tree.find(among_demonstrations), demonstrations - 1)
    slots[:, reserved:] = np.maximum(tree.find(among_others), ring_start if others_from else 0)

    mass, share = tree.mass(slots), reserved / rows
    is_demo = slots < ring_start
    probability = np.where(is_demo & (others_from > 0), 0.0, (1.0 - share) * mass / (total - others_from))
    if reserved:
        probability = probability + share * is_demo * mass / demonstration_mass
    weights = (stored * probability) ** -importance_exponent
    return slots, weights / weights.max(axis=1, keepdims=True)


def _stratified(random: np.random.Generator, batches: int, rows: int) -> np.ndarray:
    """Positions in [0, 1), one in each of ``rows`` equal parts, for each batch: shape (batches, rows)."""
    return (np.arange(rows) + random.random((batches, rows))) / max(rows, 1)  # nosec B311  # a NumPy generator: draws
