"""The conformance cases' repositories, made once for all worker processes."""

from __future__ import annotations

import os

import pytest

from tests.conformance.world import World, build


@pytest.fixture(scope="session")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The fixture repositories and the toolchain's own."""
    base = tmp_path_factory.getbasetemp()
    # pytest-xdist gives each worker a folder of its own below one that they share.
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return build(shared / "conformance-world")
