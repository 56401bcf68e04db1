"""Cells that replay recorded frames over the real protocol: any number of them in one process, each at 4 Hz."""

import asyncio

import grpc

from actors.cell import CONTROL_PERIOD_S
from benchmarks.load import Served, paced
from s3k_dist.features.client import MAX_MESSAGE_BYTES
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from s3k_dist.wire import frame_to_proto

DEADLINE_S = 5.0
CELLS_A_CHANNEL = 64  # streams that share a connection; gRPC's own limit is 100


def replay(address: str, frames: list[MultiViewFrame], cells: int, seconds: float) -> Served:
    """Let ``cells`` cells ask for ``seconds`` at 4 Hz each, after a second of warming up."""
    return asyncio.run(_replay(address, frames, cells, seconds))


async def _replay(address: str, frames: list[MultiViewFrame], cells: int, seconds: float) -> Served:
    messages = [frame_to_proto(frame, Encoding.RAW) for frame in frames]
    options = [("grpc.max_send_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(-(-cells // CELLS_A_CHANNEL))]
    stubs = [service_pb2_grpc.FeatureServiceStub(channel) for channel in channels]

    async def ask(cell: int, step: int) -> bool:
        request = service_pb2.ExtractRequest(frame=messages[(cell + step) % len(messages)])
        try:
            await stubs[cell % len(stubs)].Extract(request, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError:
            return False
        return True

    try:
        return await paced(ask, cells, 1 / CONTROL_PERIOD_S, seconds)
    finally:
        for channel in channels:
            await channel.close()
