"""Cells that replay recorded frames over the real protocol: any number of them in one process, each at 4 Hz.

A cell waits for its features before it goes on, as a robot does: where the service cannot keep up, its cells slow down.
"""

import asyncio
import time
from dataclasses import dataclass

import grpc
import numpy as np

from actors.cell import CONTROL_PERIOD_S
from s3k_dist.features.client import MAX_MESSAGE_BYTES
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from s3k_dist.wire import frame_to_proto

DEADLINE_S = 5.0
CELLS_A_CHANNEL = 64  # streams that share a connection; gRPC's own limit is 100


@dataclass(frozen=True)
class Served:
    """What some cells got from a service.

    Attributes:
        frames_per_s: answered, over all cells.
        p50_ms: round trip.
        p99_ms: likewise.
        late: share of the steps that took longer than a control period.
        failed: requests that were refused or not answered in time.
    """

    frames_per_s: float
    p50_ms: float
    p99_ms: float
    late: float
    failed: int


def replay(address: str, frames: list[MultiViewFrame], cells: int, seconds: float) -> Served:
    """Let ``cells`` cells ask for ``seconds`` at 4 Hz each, after a second of warming up."""
    return asyncio.run(_replay(address, frames, cells, seconds))


async def _replay(address: str, frames: list[MultiViewFrame], cells: int, seconds: float) -> Served:
    messages = [frame_to_proto(frame, Encoding.RAW) for frame in frames]
    options = [("grpc.max_send_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(-(-cells // CELLS_A_CHANNEL))]
    latencies_s: list[float] = []
    failed = 0
    began = time.monotonic() + 1.0

    async def run_cell(number: int) -> None:
        nonlocal failed
        stub = service_pb2_grpc.FeatureServiceStub(channels[number % len(channels)])
        await asyncio.sleep(CONTROL_PERIOD_S * number / cells)  # cells do not tick together
        step = 0
        while (asked := time.monotonic()) < began + seconds:
            request = service_pb2.ExtractRequest(frame=messages[(number + step) % len(messages)])
            try:
                await stub.Extract(request, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError:
                failed += asked > began
            else:
                if asked > began:
                    latencies_s.append(time.monotonic() - asked)
            step += 1
            await asyncio.sleep(max(0.0, asked + CONTROL_PERIOD_S - time.monotonic()))

    try:
        await asyncio.gather(*(run_cell(number) for number in range(cells)))
    finally:
        for channel in channels:
            await channel.close()
    if not latencies_s:
        return Served(0.0, float("nan"), float("nan"), 1.0, failed)
    took = np.array(latencies_s)
    p50, p99 = np.percentile(1e3 * took, [50, 99])
    late = float((took > CONTROL_PERIOD_S).mean())
    return Served(len(took) / seconds, float(p50), float(p99), late, failed)
