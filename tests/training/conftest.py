"""Every test here needs PyTorch; `make test-train` installs it."""

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore_glob: list[str] = []

if HAS_TORCH:
    import torch

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


@pytest.fixture(autouse=True)
def seeded() -> None:
    if HAS_TORCH:
        torch.manual_seed(0)
