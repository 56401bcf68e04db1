"""What runs the network: PyTorch as it is, in half precision, compiled; ONNX Runtime; OpenVINO."""

import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.rl.timing import Rates, by_turns
from benchmarks.serving.model import THREADS, detector
from s3k_dist.frames import MultiViewFrame
from s3k_dist.keypoints.detector import KeypointDetector

Network = Callable[[Tensor], Tensor]


def time_engines(
    frames: list[MultiViewFrame], image_px: int, batches: tuple[int, ...], rounds: int
) -> dict[str, dict[str, Any]]:
    """Whole detections a second by each engine and batch size, and how far its pixels are from those of the first.

    Returns:
        By engine: ``rates``, by batch size; ``apart_px``, the largest difference; or ``missing``, why it cannot run.
    """
    found: dict[str, dict[str, Any]] = {}
    able: dict[str, KeypointDetector] = {}
    truth = detector(image_px).detect(frames)
    for name, make in ENGINES.items():
        model = detector(image_px)
        try:
            model.network = make(model, image_px)
            seen = model.detect(frames)
        except Exception as error:  # noqa: BLE001  # a peer that is not installed, or cannot do it here
            found[name] = {"missing": f"{type(error).__name__}: {str(error).splitlines()[0][:160]}"}
            continue
        pairs = zip(seen, truth, strict=True)
        apart_px = max(abs(one.pixels - other.pixels).max() for one, other in pairs)
        able[name], found[name] = model, {"apart_px": float(apart_px), "rates": {}}
    for batch in batches:
        work = {name: partial(model.detect, frames[:batch]) for name, model in able.items()}
        for name, rates in by_turns(work, batch, rounds).items():
            found[name]["rates"][str(batch)] = rates.to_json()
    return found


def rates_of(found: dict[str, Any], engine: str, batch: int) -> Rates | None:
    """Of one engine at one batch size, where it could run."""
    values = found[engine].get("rates", {}).get(str(batch))
    return None if values is None else Rates.from_json(values)


def _eager(model: KeypointDetector, image_px: int) -> Network:
    return model.network


def _bf16(model: KeypointDetector, image_px: int) -> Network:
    network = model.network

    def run(images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, torch.bfloat16):
            return network(images).float()

    return run


def _compiled(model: KeypointDetector, image_px: int) -> Network:
    compiled: Network = torch.compile(model.network, dynamic=True)
    return compiled


def _onnx_file(model: KeypointDetector, image_px: int, folder: str) -> Path:
    path = Path(folder) / "network.onnx"
    images = torch.zeros(4, 3, image_px, image_px)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model.network,  # type: ignore[arg-type]
            (images,),
            str(path),
            dynamo=False,
            input_names=["images"],
            output_names=["heatmaps"],
            dynamic_axes={"images": {0: "n"}, "heatmaps": {0: "n"}},
        )
    return path


def _onnxruntime(model: KeypointDetector, image_px: int) -> Network:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    with tempfile.TemporaryDirectory() as folder:
        path = _onnx_file(model, image_px, folder)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.contiguous().numpy()})[0])


def _openvino(model: KeypointDetector, image_px: int) -> Network:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
        compiled = core.compile_model(core.read_model(_onnx_file(model, image_px, folder)), "CPU", settings)
    return lambda images: torch.from_numpy(compiled(images.contiguous().numpy())[0])


ENGINES: dict[str, Callable[[KeypointDetector, int], Network]] = {
    "PyTorch": _eager,
    "PyTorch, bfloat16": _bf16,
    "PyTorch, compiled": _compiled,
    "ONNX Runtime": _onnxruntime,
    "OpenVINO": _openvino,
}
