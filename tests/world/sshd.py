"""A real SSH server on the loopback, for the user who runs the tests."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.world.polling import eventually
from tests.world.server import free_port

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def new_key(path: Path) -> Path:
    """A key without a passphrase; the public half is beside it, in `.pub`."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True, timeout=60
    )
    return path


class SSHServer:
    """Lets in whoever has the key `key`; `known_hosts` is the file that knows it."""

    def __init__(self, folder: Path) -> None:
        assert SSHD is not None
        folder.mkdir(parents=True)
        self.user = getpass.getuser()
        self.port = free_port()
        self.key = new_key(folder / "client")
        host_key = new_key(folder / "host")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {host_key.with_suffix('.pub').read_text()}")
        (folder / "authorized").write_text(self.key.with_suffix(".pub").read_text())
        configuration = folder / "sshd_config"
        configuration.write_text(
            f"ListenAddress 127.0.0.1:{self.port}\nHostKey {host_key}\nPidFile none\nStrictModes no\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\nUsePAM no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\nLogLevel VERBOSE\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._log = folder / "sshd.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", str(configuration)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        eventually(lambda: "Server listening" in self.log(), what="the SSH server")

    def log(self) -> str:
        """What the server has said so far."""
        return self._log.read_text(errors="replace")

    def address(self, folder: Path) -> str:
        """The SSH address of a repository in a folder."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{folder}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(20)
