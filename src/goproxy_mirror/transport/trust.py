"""Which authorities sign the certificates that are believed."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from goproxy_mirror.errors import SettingError


class Trust:
    """The machine's authorities, and those in the files that the operator named (PEM, one or many
    certificates)."""

    def __init__(self, ca_files: Sequence[Path] = ()) -> None:
        """Read the files. Raises `SettingError`."""
        self.pems: list[bytes] = []
        for path in ca_files:
            try:
                pem = path.read_bytes()
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=_text(pem))
            except (OSError, ValueError) as error:
                reason = (
                    error.strerror
                    if isinstance(error, OSError) and error.strerror
                    else "no certificates in it"
                )
                raise SettingError(f"--ca-file (or SSL_CERT_FILE): {path}: {reason}") from None
            self.pems.append(pem)

    @cached_property
    def probe(self) -> ssl.SSLContext:
        """For a trial connection: where git or the HTTP client connects afterwards, they check for themselves."""
        context = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if not (paths.cafile or paths.capath):
            # A Python without authorities of its own (python.org's for macOS) could trust nobody. The trial
            # then says only that a TLS server is there.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        for pem in self.pems:
            context.load_verify_locations(cadata=_text(pem))
        return context


def _text(pem: bytes) -> str:
    return pem.decode("ascii", "replace")
