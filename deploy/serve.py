"""``s3k serve``: the feature service alone, until it is told to stop."""

import signal
import threading
from pathlib import Path

from deploy.device import compute_device
from deploy.run_folder import RunFolder
from s3k_dist.access.audit import AuditLog
from s3k_dist.access.reach import read_credentials
from s3k_dist.allocator import keep_large_blocks
from s3k_dist.embeddings.encoder import encoder_source
from s3k_dist.errors import StorageError
from s3k_dist.features.detector import Trials
from s3k_dist.features.server import FeatureServer
from s3k_dist.features.server_thread import FeatureServerThread
from s3k_dist.keypoints.detector import KeypointDetector
from s3k_dist.weights import WeightsRegistry


def serve(
    root: Path,
    address: str,
    metrics_port: int | None,
    encoders: Path | None = None,
    credentials: Path | None = None,
) -> int:
    """Serve the promoted model of a run, and each that is promoted later, until SIGINT or SIGTERM.

    Args:
        root: folder of the run.
        address: where to listen.
        metrics_port: of the Prometheus metrics; None serves none.
        encoders: registry of the encoder whose embeddings go with the keypoints; None for keypoints alone.
        credentials: folder of its certificate; needed beyond this machine.

    Raises:
        StorageError: the run has no promoted model, or ``encoders`` no promoted encoder.
        ServiceError: the port is in use.
        AccessError: an address beyond this machine, and no credentials.
    """
    keep_large_blocks()
    folder = RunFolder(root.absolute())
    folder.require_model()
    registry = WeightsRegistry(folder.models)
    encoder = None
    if encoders is not None:
        found = WeightsRegistry(encoders)
        if found.current() is None:
            raise StorageError(f"{encoders} has no promoted encoder; `s3k train vae --out {encoders}` makes one")
        encoder = encoder_source(found)
    server = FeatureServer(
        registry.current,
        lambda version: KeypointDetector.load(registry, version, compute_device()),
        address=address,
        metrics_port=metrics_port,
        encoder=encoder,
        trials=Trials.of(registry),
        credentials=read_credentials(credentials),
        audit=AuditLog(folder.audit),
    )
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with FeatureServerThread(server) as service:
        print(f"serving model version {registry.current()} at {service.address}; Ctrl-C stops", flush=True)  # noqa: T201
        told.wait()
    return 0
