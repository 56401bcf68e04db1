"""Blocks that are used again and again are not faulted in again and again."""

import subprocess
import sys

PROGRAM = """
import resource, sys, threading
import numpy as np
from s3k_dist.allocator import keep_large_blocks
if sys.argv[1] == "kept":
    assert keep_large_blocks()

def use():
    for _ in range(20):
        np.empty(40_000_000, np.uint8)[::4096] = 1

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def test_large_blocks_stay_with_the_process() -> None:
    told = [
        int(subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, check=True, timeout=60).stdout)
        for how in ("kept", "returned")
    ]
    assert told[0] < told[1] / 5, told
