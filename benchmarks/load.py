"""Load on a feature service, from one process: cells that ask at a rate, or callers that ask as soon as they may.

A cell waits for its features before it goes on, as a robot does: where a service cannot keep up, its cells slow down.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

WARM_UP_S = 1.0

# Asks for one frame of a cell and returns when the features are there; False if it was refused, or came too late.
Ask = Callable[[int, int], Awaitable[bool]]


@dataclass(frozen=True)
class Served:
    """What some callers got from a service.

    Attributes:
        frames_per_s: answered, over all callers.
        p50_ms: round trip.
        p99_ms: likewise.
        late: share of the requests that took longer than a period; 0 where there is none.
        failed: requests that were refused or not answered in time.
    """

    frames_per_s: float
    p50_ms: float
    p99_ms: float
    late: float
    failed: int


async def paced(ask: Ask, cells: int, hz: float, seconds: float) -> Served:
    """``cells`` cells that each ask ``hz`` times a second, not in step with one another."""
    return await _measured(ask, cells, seconds, 1 / hz)


async def unpaced(ask: Ask, callers: int, seconds: float) -> Served:
    """``callers`` callers that each ask again as soon as they are answered: the service saturates."""
    return await _measured(ask, callers, seconds, 0.0)


async def _measured(ask: Ask, callers: int, seconds: float, period_s: float) -> Served:
    took_s: list[float] = []
    failed = 0
    began = time.monotonic() + WARM_UP_S

    async def call(number: int) -> None:
        nonlocal failed
        await asyncio.sleep(period_s * number / callers)
        step = 0
        while (asked := time.monotonic()) < began + seconds:
            answered = await ask(number, step)
            now = time.monotonic()
            if asked > began and now < began + seconds:
                if answered:
                    took_s.append(now - asked)
                else:
                    failed += 1
            step += 1
            if period_s:
                await asyncio.sleep(max(0.0, asked + period_s - now))

    await asyncio.gather(*(call(number) for number in range(callers)))
    if not took_s:
        return Served(0.0, float("nan"), float("nan"), 1.0, failed)
    took = np.array(took_s)
    p50, p99 = np.percentile(1e3 * took, [50, 99])
    late = float((took > period_s).mean()) if period_s else 0.0
    return Served(len(took) / seconds, float(p50), float(p99), late, failed)
