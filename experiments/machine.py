"""The machine that a figure was measured on, in words."""

import os
import platform
from pathlib import Path

import torch


def machine() -> str:
    """Processor, cores, GPU if there is one, torch."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"{_processor()}, {os.cpu_count()} cores{gpu}, torch {torch.__version__.partition('+')[0]}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
