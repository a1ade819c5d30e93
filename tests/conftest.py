"""What every test may use."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other things makes no test fail: what hangs is caught by deadlines of its own.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of third-party test data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("STREAMFILTER_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set STREAMFILTER_TEST_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Converted networks and features are kept in a folder of the tests' own, not in yours; browsers stay where they
    are.
    """
    browsers = os.environ.get("PLAYWRIGHT_BROWSERS_PATH", str(Path.home() / ".cache" / "ms-playwright"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLAYWRIGHT_BROWSERS_PATH", browsers)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _training_is_small() -> Iterator[None]:
    """Networks of tests are tiny: to convert one for OpenVINO takes longer than to train it without, and close-ups of a
    quarter of the size tell them as much.
    """
    own = {"frozen": ("uses_openvino", lambda compute: False)} | dict.fromkeys(
        ("closer", "closeups", "spotting"), ("SIDE", 64)
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, (what, instead) in own.items():
            module = sys.modules.get(f"streamfilter.training.{name}")
            if module is not None:
                patch.setattr(module, what, instead)
        yield


class _Instantly:
    """Shows a failure when it happens, too: of a session that is cut off, the summary is never seen."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._terminal.write_line(f"\nFAILED {report.nodeid} ({report.when})\n{report.longreprtext}")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Instantly(config.pluginmanager.getplugin("terminalreporter")), "instantly")
