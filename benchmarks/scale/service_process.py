"""The feature service in a process of its own, with a model of random weights: what it sees does not matter here."""

import argparse
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

READY_S, GONE_S = 120.0, 10.0


@contextmanager
def service_process(image_px: int, threads: int) -> Iterator[tuple[str, psutil.Process]]:
    """Its address, and the process to be watched; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.scale.service_process", str(image_px), str(threads)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        giving_up = threading.Timer(READY_S, process.kill)
        giving_up.start()
        try:
            address = process.stdout.readline().strip()
            giving_up.cancel()
            if not address:
                raise RuntimeError(f"the service did not begin within {READY_S:.0f} s")
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(GONE_S)


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("image_px", type=int)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    import torch

    from actors.insertion import KEYPOINTS
    from s3k_dist.features.server import FeatureServer
    from s3k_dist.features.server_thread import FeatureServerThread
    from s3k_dist.keypoints.detector import KeypointDetector
    from s3k_dist.keypoints.network import KeypointNetwork, NetworkConfig

    torch.set_num_threads(options.threads)
    config = NetworkConfig(keypoint_names=KEYPOINTS, image_size_px=options.image_px)
    detector = KeypointDetector(config, KeypointNetwork(config).state_dict(), version=1)
    with FeatureServerThread(FeatureServer(lambda: 1, lambda _: detector)) as service:
        print(service.address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
