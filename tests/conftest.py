"""Settings that every test shares."""

import os

import pytest
from hypothesis import HealthCheck, settings

# Derandomized, so that a green commit stays green; `make test-all` draws anew and draws more.
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "ci", deadline=None, derandomize=True, suppress_health_check=_QUIET, print_blob=True
)
settings.register_profile("night", deadline=None, max_examples=500, suppress_health_check=_QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true",
                     help="write the golden files of tests/errors anew")  # fmt: skip
