"""One observer for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.hostile.observer import Observer


@pytest.fixture(scope="session")
def observe() -> Iterator[Observer]:
    with Observer() as observer:
        yield observer
