"""Puts a guard before every method of a gRPC server, of threads or of asyncio.

The guard is asked first, and the message is read after: bytes of somebody who may not call are not even parsed.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc

from s3k_dist.access.guard import Guard, status_of
from s3k_dist.access.identity import Identity
from s3k_dist.errors import FrameError, S3KError

Handler = grpc.RpcMethodHandler
_MAKE = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class GuardedCalls(grpc.ServerInterceptor):
    """Of a server of threads.

    Args:
        guard: is asked.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler | None], details: grpc.HandlerCallDetails
    ) -> Handler | None:
        """Put the guard before the method that is asked for."""
        handler = continuation(details)
        if handler is None:
            return handler
        behaviour, method, guard = _behaviour(handler), details.method, self._guard

        def admitted(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                identity = guard.admit(method, context)
                if handler.request_streaming:
                    return _each(request, handler, guard, identity, method, context)
                return _decoded(request, handler)
            except S3KError as error:
                context.abort(status_of(error), str(error))

        def one(request: Any, context: grpc.ServicerContext) -> Any:
            return behaviour(admitted(request, context), context)

        def many(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            yield from behaviour(admitted(request, context), context)

        return _made(handler, many if handler.response_streaming else one)


class GuardedAsyncCalls(grpc.aio.ServerInterceptor):
    """Of a server of asyncio.

    Args:
        guard: is asked.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        details: grpc.HandlerCallDetails,
    ) -> Handler:
        """Put the guard before the method that is asked for."""
        handler = await continuation(details)
        if handler is None:
            return handler
        behaviour, method, guard = _behaviour(handler), details.method, self._guard

        async def admitted(request: Any, context: Any) -> Any:
            try:
                identity = guard.admit(method, context)
                if handler.request_streaming:
                    return _async_each(request, handler, guard, identity, method, context)
                return _decoded(request, handler)
            except S3KError as error:
                await context.abort(status_of(error), str(error))

        async def one(request: Any, context: Any) -> Any:
            return await behaviour(await admitted(request, context), context)

        async def many(request: Any, context: Any) -> AsyncIterator[Any]:
            async for answer in behaviour(await admitted(request, context), context):
                yield answer

        yields = inspect.isasyncgenfunction(inspect.unwrap(behaviour))
        return _made(handler, many if handler.response_streaming and yields else one)


def _each(
    requests: Iterator[bytes], handler: Handler, guard: Guard, identity: Identity, method: str, context: Any
) -> Iterator[Any]:
    for data in requests:
        try:
            guard.spend(identity, method)
            message = _decoded(data, handler)
        except S3KError as error:
            context.abort(status_of(error), str(error))
        yield message


async def _async_each(
    requests: AsyncIterator[bytes], handler: Handler, guard: Guard, identity: Identity, method: str, context: Any
) -> AsyncIterator[Any]:
    async for data in requests:
        try:
            guard.spend(identity, method)
            message = _decoded(data, handler)
        except S3KError as error:
            await context.abort(status_of(error), str(error))
        yield message


def _decoded(data: bytes, handler: Handler) -> Any:
    if handler.request_deserializer is None:
        return data
    try:
        return handler.request_deserializer(data)
    except Exception as error:  # whatever a parser makes of foreign bytes
        raise FrameError(f"a message of {len(data)} bytes that cannot be read: {type(error).__name__}") from error


def _behaviour(handler: Handler) -> Any:
    kind = ("stream" if handler.request_streaming else "unary", "stream" if handler.response_streaming else "unary")
    return getattr(handler, "_".join(kind))


def _made(handler: Handler, behaviour: Any) -> Handler:
    make: Any = _MAKE[handler.request_streaming, handler.response_streaming]
    return make(behaviour, None, handler.response_serializer)
