"""Peak memory of one run over the package-shipped zoo, beside that of its largest model alone.

    python benchmarks/memory.py [n] [models]

Each row is a process of its own (fgsm at 2/255 on the first n demo photographs); the peak is the resident set
as the system counts it (Linux, macOS). If models stayed in memory, all together would exceed the largest alone
by the sum of the others.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from fer_bench.fetch import cache
from models_zoo import MODELS

_RUN = """
import resource, sys
import fer_bench
fer_bench.run(models=sys.argv[1], attacks="fgsm", eps="2/255", data="demo", n=int(sys.argv[2]), out=sys.argv[3])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak / (1024 if sys.platform != "darwin" else 1024 * 1024))
"""


def peak(models: str, n: int) -> float:
    """Peak resident memory in MiB of a run of `models`."""
    with tempfile.TemporaryDirectory() as out:
        words = [sys.executable, "-c", _RUN, models, str(n), out]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else MODELS.names()
    names = [name for name in names if all(cache.cached(file) for file in MODELS.get(name).files)]
    print(f"{'models':24}{'peak MiB':>10}   n = {n}")
    alone = {name: peak(name, n) for name in names}
    for name, mebibytes in alone.items():
        print(f"{name:24}{mebibytes:10.0f}")
    print(f"{'all together':24}{peak(','.join(names), n):10.0f}")


if __name__ == "__main__":
    main()
