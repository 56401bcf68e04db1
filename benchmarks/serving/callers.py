"""How callers ask each contestant."""

import asyncio
import pickle  # nosec B403  # it is how a peer does it
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from benchmarks.load import Ask
from s3k_dist.features.client import MAX_MESSAGE_BYTES
from s3k_dist.frames import MultiViewFrame
from s3k_dist.images import Encoding
from s3k_dist.v1 import service_pb2, service_pb2_grpc
from s3k_dist.wire import frame_to_proto

DEADLINE_S = 10.0
OPTIONS = [
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.use_local_subchannel_pool", 1),
]


@asynccontextmanager
async def unary(
    address: str, frames: Sequence[MultiViewFrame], cells: int, encoding: Encoding = Encoding.RAW
) -> AsyncIterator[Ask]:
    """A call for each frame, a connection for each cell. Images are encoded anew for each, as a cell does it."""
    async with _channels(address, cells) as channels:
        stubs = [service_pb2_grpc.FeatureServiceStub(channel) for channel in channels]

        async def ask(cell: int, step: int) -> bool:
            request = service_pb2.ExtractRequest(frame=frame_to_proto(frames[(cell + step) % len(frames)], encoding))
            try:
                await stubs[cell].Extract(request, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError:
                return False
            return True

        yield ask


@asynccontextmanager
async def streamed(address: str, frames: Sequence[MultiViewFrame], cells: int) -> AsyncIterator[Ask]:
    """One call for each cell, all its frames in it."""
    async with _channels(address, cells) as channels:
        calls = [service_pb2_grpc.FeatureServiceStub(channel).ExtractStream() for channel in channels]

        async def ask(cell: int, step: int) -> bool:
            frame = frame_to_proto(frames[(cell + step) % len(frames)], Encoding.RAW)
            try:
                async with asyncio.timeout(DEADLINE_S):
                    await calls[cell].write(service_pb2.ExtractStreamRequest(frame=frame))
                    answer = await calls[cell].read()
            except (grpc.aio.AioRpcError, TimeoutError):
                return False
            return bool(answer.HasField("features"))

        yield ask
        for call in calls:
            call.cancel()


@asynccontextmanager
async def lerobot(address: str, frames: Sequence[MultiViewFrame], cells: int) -> AsyncIterator[Ask]:
    """Chunks of a pickled frame up, then a call for the answer."""
    from lerobot.transport import services_pb2, services_pb2_grpc
    from lerobot.transport.utils import send_bytes_in_chunks

    async with _channels(address, cells) as channels:
        stubs = [services_pb2_grpc.AsyncInferenceStub(channel) for channel in channels]

        async def ask(cell: int, step: int) -> bool:
            data = pickle.dumps(frames[(cell + step) % len(frames)])
            chunks = send_bytes_in_chunks(data, services_pb2.Observation, silent=True)
            try:
                await stubs[cell].SendObservations(chunks, timeout=DEADLINE_S)
                answer = await stubs[cell].GetActions(services_pb2.Empty(), timeout=DEADLINE_S)
            except grpc.aio.AioRpcError:
                return False
            pickle.loads(answer.data)  # noqa: S301  # nosec B301  # of our own process; it is how this peer does it
            return True

        yield ask


@asynccontextmanager
async def _channels(address: str, cells: int) -> AsyncIterator[list[Any]]:
    channels = [grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(cells)]
    try:
        yield channels
    finally:
        for channel in channels:
            await channel.close()
