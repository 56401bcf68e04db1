"""The methods of the gRPC feature service: check a frame, let the batcher read it, answer or say why not."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import grpc

from s3k_dist.episodes import MAX_ID_LENGTH
from s3k_dist.errors import AccessError, DeadlineError, FrameError, S3KError, ServiceUnavailableError
from s3k_dist.features.batcher import Batcher, NoModelError, QueueFullError
from s3k_dist.features.detector import Encoder
from s3k_dist.features.metrics import FeatureMetrics
from s3k_dist.frames import MultiViewFrame
from s3k_dist.v1 import features_pb2, frame_pb2, service_pb2, service_pb2_grpc
from s3k_dist.wire import features_to_proto, frame_from_proto

MIN_VIEWS = 2  # Eq. 2 has no unique solution for fewer
LONGEST_ANSWER_S = 30.0  # for a caller that set no deadline
LONGEST_REASON = 2000  # characters; gRPC sends a longer one as another error
FRAMES_IN_FLIGHT = 8  # of one stream; more would let a single stream fill the queue

# What each error is called in the metrics, and on the wire.
_OUTCOMES: tuple[tuple[type[S3KError], str, grpc.StatusCode], ...] = (
    (FrameError, "refused", grpc.StatusCode.INVALID_ARGUMENT),
    (AccessError, "refused", grpc.StatusCode.PERMISSION_DENIED),
    (NoModelError, "no_model", grpc.StatusCode.FAILED_PRECONDITION),
    (QueueFullError, "overloaded", grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DeadlineError, "expired", grpc.StatusCode.DEADLINE_EXCEEDED),
    (ServiceUnavailableError, "failed", grpc.StatusCode.UNAVAILABLE),
    (S3KError, "failed", grpc.StatusCode.INTERNAL),
)


class FeatureServicer(service_pb2_grpc.FeatureServiceServicer):
    """Answers `Extract`, `ExtractStream` and `GetModel` from a batcher.

    Args:
        batcher: reads the frames.
        metrics: where outcomes and latencies are noted.
        why_no_model: says in one line which model is missing yet, and why.
        require_claim: raises AccessError where a caller speaks for a cell that it is not; None believes everybody.
    """

    def __init__(
        self,
        batcher: Batcher,
        metrics: FeatureMetrics,
        why_no_model: Callable[[], str],
        require_claim: Callable[[grpc.aio.ServicerContext, str], None] | None = None,
    ) -> None:
        self._require_claim = require_claim
        self._batcher = batcher
        self._metrics = metrics
        self._why_no_model = why_no_model

    async def Extract(  # noqa: N802
        self, request: service_pb2.ExtractRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ExtractResponse:
        try:
            features = await self._features(request.frame, request.group, context)
        except S3KError as error:
            await context.abort(_outcome(error)[1], str(error)[:LONGEST_REASON])
        return service_pb2.ExtractResponse(features=features)

    async def ExtractStream(  # noqa: N802
        self, request_iterator: AsyncIterator[service_pb2.ExtractStreamRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[service_pb2.ExtractStreamResponse]:
        answers: asyncio.Queue[asyncio.Task[service_pb2.ExtractStreamResponse] | None]
        answers = asyncio.Queue(FRAMES_IN_FLIGHT)
        under_way: set[asyncio.Task[service_pb2.ExtractStreamResponse]] = set()

        async def receive() -> None:
            async for request in request_iterator:
                task = asyncio.create_task(self._stream_answer(request, context))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                await answers.put(task)
            await answers.put(None)

        receiving = asyncio.create_task(receive())
        try:
            while (answer := await answers.get()) is not None:
                yield await answer
        finally:
            # The caller may be gone: what it asked for must not go on waiting in the queue.
            receiving.cancel()
            for task in tuple(under_way):
                task.cancel()

    async def GetModel(  # noqa: N802
        self, request: service_pb2.GetModelRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.GetModelResponse:
        detector = self._batcher.detector
        if detector is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, self._why_no_model())
        return service_pb2.GetModelResponse(
            version=detector.version,
            keypoint_names=detector.keypoint_names,
            image_size_px=detector.image_size_px,
            published_at_ns=detector.published_at_ns,
            encoder=_encoder_model(self._batcher.encoder),
        )

    async def _stream_answer(
        self, request: service_pb2.ExtractStreamRequest, context: grpc.aio.ServicerContext
    ) -> service_pb2.ExtractStreamResponse:
        try:
            features = await self._features(request.frame, request.group, context)
            return service_pb2.ExtractStreamResponse(features=features)
        except S3KError as error:
            refusal = service_pb2.FrameRefusal(sequence=request.frame.sequence, reason=str(error)[:LONGEST_REASON])
            return service_pb2.ExtractStreamResponse(refusal=refusal)

    async def _features(
        self, message: frame_pb2.Frame, group: str, context: grpc.aio.ServicerContext
    ) -> features_pb2.Features:
        arrived_ns = time.monotonic_ns()
        time_left_s = context.time_remaining()
        timeout_s = LONGEST_ANSWER_S if time_left_s is None else time_left_s
        try:
            if self._require_claim is not None and message.cell_id:
                self._require_claim(context, message.cell_id)
            if len(group) > MAX_ID_LENGTH:
                raise FrameError(f"group has {len(group)} characters, at most {MAX_ID_LENGTH} are taken")
            frame = await _decoded(message)
            frame.require_views(MIN_VIEWS)
            async with asyncio.timeout(timeout_s):
                features = await asyncio.wrap_future(self._batcher.submit(frame, timeout_s, group))
            service_time_ns = time.monotonic_ns() - arrived_ns
            answer = features_to_proto(features, service_time_ns)
        except asyncio.CancelledError:  # the caller's deadline passed, or it hung up
            self._metrics.turned_away("expired")
            raise
        except TimeoutError:
            self._metrics.turned_away("expired")
            raise DeadlineError(
                f"frame {message.cell_id}/{message.sequence:08d}: no answer in {timeout_s:.1f} s"
            ) from None
        except S3KError as error:
            self._metrics.turned_away(_outcome(error)[0])
            if isinstance(error, NoModelError):
                raise NoModelError(self._why_no_model()) from error
            raise
        self._metrics.answered(service_time_ns / 1e9)
        return answer


def _encoder_model(encoder: Encoder | None) -> service_pb2.EncoderModel | None:
    if encoder is None:
        return None
    return service_pb2.EncoderModel(
        kind=encoder.kind,
        version=encoder.version,
        embedding_size=encoder.embedding_size,
        published_at_ns=encoder.published_at_ns,
    )


def _outcome(error: S3KError) -> tuple[str, grpc.StatusCode]:
    return next((name, code) for kind, name, code in _OUTCOMES if isinstance(error, kind))


async def _decoded(message: frame_pb2.Frame) -> MultiViewFrame:
    raw = all(view.image.encoding == frame_pb2.Image.ENCODING_RAW_RGB8 for view in message.views)
    # Raw images are not even copied; decoding the others takes milliseconds that the event loop does not have.
    return frame_from_proto(message) if raw else await asyncio.to_thread(frame_from_proto, message)
