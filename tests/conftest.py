"""What every test shares: how many threads, how wide a terminal, where FER2013 lies, hypothesis without a clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# A toy net is slower with threads; that no test depends on their number is checked by naming another one.
THREADS = os.environ.get("FERBENCH_TEST_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", THREADS)  # for what tests start in processes of their own
os.environ.setdefault("MKL_NUM_THREADS", THREADS)

torch.set_num_threads(int(THREADS))

os.environ["COLUMNS"] = "120"  # tables are cut to the width of whatever terminal the tests are started in

settings.register_profile(
    "fer_bench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("fer_bench")

#: Attacks that ask thousands of times or search twice; every test that has one of them as a parameter is slow.
SLOW_ATTACKS = ("apgd-t", "cw-search", "fab-t", "onepixel", "pixle", "spsa", "square", "warp")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the runs of slow attacks as slow, before -m selects."""
    for item in items:
        parameters = f"-{item.callspec.id}-" if hasattr(item, "callspec") else ""
        if any(f"-{name}-" in parameters for name in SLOW_ATTACKS):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def fer2013() -> Path:
    """The folder of the real FER2013, or a skip that says what to set."""
    named = os.environ.get("FERBENCH_FER2013", "")
    if not named:
        pytest.skip("FERBENCH_FER2013 is not set; set it to a folder with FER2013 (csv, folders or parquet)")
    folder = Path(named).expanduser()
    if not folder.is_dir():
        pytest.skip(f"FERBENCH_FER2013 names {folder}, which is not a folder")
    return folder
