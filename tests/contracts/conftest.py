"""The servers that the contracts are tried on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contracts.stores import use_credentials
from tests.world.azure import AzureServer, azure_server
from tests.world.faults import FaultyWay
from tests.world.objectstore import ObjectServer, object_server


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A real S3-compatible server, with its credentials in the environment."""
    program = object_server()
    if isinstance(program, str):
        pytest.skip(program)
    with (
        pytest.MonkeyPatch.context() as patch,
        ObjectServer(program, tmp_path_factory.mktemp("s3")) as server,
    ):
        use_credentials(patch, server)
        yield server


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureServer]:
    """Azure Blob Storage as its emulator has it, with its credentials in the environment."""
    program = azure_server()
    if isinstance(program, str):
        pytest.skip(program)
    with (
        pytest.MonkeyPatch.context() as patch,
        AzureServer(program, tmp_path_factory.mktemp("azure")) as server,
    ):
        for name, value in server.env().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def way(s3: ObjectServer) -> Iterator[FaultyWay]:
    """A way to that server on which things can go wrong."""
    with FaultyWay(s3.port) as way:
        yield way


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a store keeps what it has on this machine."""
    return tmp_path / "store"
