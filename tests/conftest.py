"""What all tests share: their own cache, their order, and when a skipped test is a failed one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCH_DATA = Path(os.environ.get("CURALAB_BENCH_DATA") or ROOT.parent / "shared" / "data")
MUST_RUN = ("browser", "notebook")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

os.environ["HF_HUB_OFFLINE"] = "1"  # no test downloads anything
_cache = tempfile.TemporaryDirectory(prefix="curalab-tests-")
os.environ["CURALAB_CACHE"] = _cache.name  # tests and doctests leave the user's own alone


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of the benchmark data; a test that asks for it is skipped where there is none."""
    if not BENCH_DATA.is_dir():
        pytest.skip(f"no benchmark data at {BENCH_DATA}: set CURALAB_BENCH_DATA to their folder")
    return BENCH_DATA


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests below tests/browser, and run quick tests before notebooks and browsers."""
    for item in items:
        if ROOT / "tests" / "browser" in item.path.parents:
            item.add_marker("browser")
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in MUST_RUN])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where CI=true, a browser or notebook test that is skipped has failed."""
    report = yield
    if any(item.get_closest_marker(name) for name in MUST_RUN) and not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a whole file of browser or notebook tests that skips itself."""
    report = yield
    if any(name in f"{collector.path.parent.name}/{collector.path.name}" for name in MUST_RUN):
        _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if IN_CI and report.skipped:
        *_, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Where CI=true this must run. {reason}"
