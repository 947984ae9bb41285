"""Credentials for S3 as Amazon's own tools take them: profiles, single sign-on, assumed roles, programs that give them.

boto3 reads and renews them. It comes with the extra `aws`.
"""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from goproxy_mirror.errors import SettingError, StorageError, StoreRefused

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Credential

_AGAIN = timedelta(minutes=5)
"""Until they are asked for anew: boto3 renews what would end within ten minutes."""
INSTALL = 'pip install "goproxy-mirror[aws]"'


def can_read_profiles() -> bool:
    """Whether the extra is installed."""
    return find_spec("boto3") is not None


class ProfileCredentials:
    """Gives obstore the credentials of the profile that is in force; it asks in threads of its own, never in an event loop.

    `name` is for messages, `region` outweighs the profile's. Blocks while it reads the files. Raises `SettingError`.
    """

    def __init__(self, name: str | None, region: str | None) -> None:
        import boto3  # noqa: PLC0415 (an extra)
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        self._provider: Boto3CredentialProvider | None = None
        try:
            self._session = boto3.Session(region_name=region)
        except BotoCoreError as error:
            raise SettingError(f"the AWS profile for the object store cannot be used: {error}") from None
        self._name = f" {name}" if name else ""
        self.region: str | None = self._session.region_name

    def check(self) -> None:
        """See that there are credentials. Blocks. Raises `StoreRefused`, or `StorageError` where who gives them is silent."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004, PLC0415

        try:
            self()
        except (ConnectionError, HTTPClientError) as error:
            raise StorageError(
                f"who gives the credentials of the AWS profile cannot be reached: {error}"
            ) from None
        except (BotoCoreError, ClientError, ValueError) as error:
            said = "it has none" if isinstance(error, ValueError) else str(error)
            raise StoreRefused(f"the AWS profile{self._name} gives no credentials: {said}") from None

    def __call__(self) -> S3Credential:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415

        if self._provider is None:
            self._provider = Boto3CredentialProvider(self._session, ttl=_AGAIN)
        return self._provider()
