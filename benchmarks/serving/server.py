"""Each contestant's server, in a process of its own: it prints its address and serves until its input is closed.

python -m benchmarks.serving.server ours 128
"""

import argparse
import pickle  # nosec B403  # it is how a peer does it
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from benchmarks.serving.model import MAX_BATCH, detector

READY_S, GONE_S = 180.0, 15.0
LONGEST_S = 30.0
MESSAGE_BYTES = 64 * 1024 * 1024


@contextmanager
def server_process(kind: str, image_px: int, address: str = "127.0.0.1:0") -> Iterator[str]:
    """A contestant's address; its process ends with the block."""
    command = [sys.executable, "-m", "benchmarks.serving.server", kind, str(image_px), address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        giving_up = threading.Timer(READY_S, process.kill)
        giving_up.start()
        try:
            line = ""
            for line in process.stdout:
                if line.startswith("address "):
                    break
            giving_up.cancel()
            if not line.startswith("address "):
                raise RuntimeError(f"{kind} did not begin to serve within {READY_S:.0f} s")
            yield line.split()[1]
        finally:
            process.stdin.close()
            try:
                process.wait(GONE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def serve_ours(image_px: int, address: str) -> None:
    """The project's own."""
    from s3k_dist.features.server import FeatureServer
    from s3k_dist.features.server_thread import FeatureServerThread

    model = detector(image_px)
    server = FeatureServer(lambda: 1, lambda _: model, address, max_batch_frames=MAX_BATCH)
    with FeatureServerThread(server) as service:
        _wait(service.address)


def serve_ray(image_px: int, address: str) -> None:
    """Ray Serve's gRPC ingress: one replica, the same batches."""
    import logging

    import ray
    from ray import serve
    from ray.serve.config import gRPCOptions

    from s3k_dist.v1 import service_pb2
    from s3k_dist.wire import features_to_proto, frame_from_proto

    @serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
    class Features:
        """The same model behind Ray Serve's batching."""

        def __init__(self) -> None:
            self.model = detector(image_px)

        @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=0.0)
        async def read(self, frames: list[Any]) -> list[Any]:
            return self.model.detect(frames)

        async def Extract(self, request: Any) -> Any:  # noqa: N802
            features = await self.read(frame_from_proto(request.frame))
            return service_pb2.ExtractResponse(features=features_to_proto(features, 0))

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    port = _free_port()
    functions = ["s3k_dist.v1.service_pb2_grpc.add_FeatureServiceServicer_to_server"]
    serve.start(grpc_options=gRPCOptions(port=port, grpc_servicer_functions=functions), http_options={"port": 0})
    serve.run(Features.bind())
    _wait(f"127.0.0.1:{port}")
    serve.shutdown()
    ray.shutdown()


def serve_lerobot(image_px: int, address: str) -> None:
    """lerobot's messages and chunks, pickled frames in them; a slot for the newest frame of each robot.

    Its own server has one slot, for one robot; a forward pass is for one frame, as there.
    """
    import grpc
    from lerobot.transport import services_pb2, services_pb2_grpc
    from lerobot.transport.utils import receive_bytes_in_chunks

    model, busy, stopping = detector(image_px), threading.Lock(), threading.Event()
    slots: dict[str, queue.Queue[Any]] = {}

    class Server(services_pb2_grpc.AsyncInferenceServicer):  # type: ignore[misc]
        """Observations in, answers out."""

        def SendObservations(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
            received = receive_bytes_in_chunks(request_iterator, None, stopping, "")
            slots.setdefault(context.peer(), queue.Queue(1)).put(pickle.loads(received), timeout=LONGEST_S)  # noqa: S301  # nosec B301
            return services_pb2.Empty()

        def GetActions(self, request: Any, context: Any) -> Any:  # noqa: N802
            frame = slots[context.peer()].get(timeout=LONGEST_S)
            with busy:
                features = model.detect([frame])[0]
            return services_pb2.Actions(data=pickle.dumps(features))

    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(ThreadPoolExecutor(128), options=options)
    services_pb2_grpc.add_AsyncInferenceServicer_to_server(Server(), server)
    port = server.add_insecure_port(address)
    server.start()
    _wait(f"127.0.0.1:{port}")
    stopping.set()
    server.stop(1.0)


KINDS: dict[str, Callable[[int, str], None]] = {"ours": serve_ours, "ray": serve_ray, "lerobot": serve_lerobot}


def main() -> None:
    """Serve until the input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("image_px", type=int)
    parser.add_argument("address", nargs="?", default="127.0.0.1:0")
    options = parser.parse_args()
    KINDS[options.kind](options.image_px, options.address)


def _wait(address: str) -> None:
    print(f"address {address}", flush=True)
    sys.stdin.read()


def _free_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


if __name__ == "__main__":
    main()
