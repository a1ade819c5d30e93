"""What every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of third-party test data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("STREAMFILTER_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set STREAMFILTER_TEST_DATA")
    return folder
