"""The ways out of a process, as the settings have them."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from goproxy_mirror.config import Settings
from goproxy_mirror.errors import StorageError
from goproxy_mirror.wiring.network import runner_of


def test_certificates_for_programs(tmp_path: Path) -> None:
    """The usual ones and the operator's own are one file; a state folder that takes no file is said, without its path."""
    own = tmp_path / "own.pem"
    own.write_bytes(b"own")
    runner_of(Settings(data=tmp_path / "data", ca_file=own))
    bundle = (tmp_path / "data/state/certificates.pem").read_bytes()
    usual = ssl.get_default_verify_paths().cafile
    assert bundle == b"own" + (b"\n" + Path(usual).read_bytes() if usual else b"")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="could not write the certificates into the state folder") as error:
        runner_of(Settings(data=tmp_path / "file", ca_file=own))
    assert str(tmp_path) not in error.value.message
