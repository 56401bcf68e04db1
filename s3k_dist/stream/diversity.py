"""Which frames are unlike each other, by their descriptors."""

import numpy as np

CHUNK = 1024  # candidates looked at together: memory and time stay bounded however many there are


def diverse(candidates: np.ndarray, count: int, given: np.ndarray | None = None) -> np.ndarray:
    """Picks ``count`` candidates far from each other: each next one is the farthest from all picked before it.

    In bounded memory: the candidates come in chunks, and of each chunk and the picked ones the farthest stay. The same
    candidates in the same order give the same picks.

    Args:
        candidates: descriptors, uint8, shape (N, D).
        count: to pick; all of them where there are no more.
        given: descriptors of frames that are kept anyway, shape (G, D); the picks are far from these, too.

    Returns:
        Rows of the picks, the farthest first, int64, shape (min(N, count),).
    """
    picked = np.zeros(0, np.int64)
    if count <= 0:
        return picked
    for start in range(0, len(candidates), CHUNK):
        rows = np.concatenate([picked, np.arange(start, min(start + CHUNK, len(candidates)))])
        picked = rows[_farthest(candidates[rows], count, given)]
    return picked


def _farthest(points: np.ndarray, count: int, given: np.ndarray | None) -> np.ndarray:
    points = points.astype(np.float32)
    squares = np.einsum("nd,nd->n", points, points)
    nearest = np.full(len(points), np.inf, np.float32)
    for one in given if given is not None else ():
        np.minimum(nearest, _distances(points, squares, one.astype(np.float32)), out=nearest)
    chosen = np.zeros(min(count, len(points)), np.int64)
    # With nothing to be far from, the first is the farthest from the mean.
    start = _distances(points, squares, points.mean(0)) if np.isinf(nearest).all() else nearest
    for at in range(len(chosen)):
        chosen[at] = np.argmax(start if at == 0 else nearest)
        np.minimum(nearest, _distances(points, squares, points[chosen[at]]), out=nearest)
        nearest[chosen[at]] = -1.0
    return chosen


def _distances(points: np.ndarray, squares: np.ndarray, to: np.ndarray) -> np.ndarray:
    return np.maximum(squares - 2 * (points @ to) + to @ to, 0.0)
