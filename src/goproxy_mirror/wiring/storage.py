"""Which store the settings mean: a folder, or a bucket with a folder in front of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from typing import TYPE_CHECKING

import structlog

from goproxy_mirror.config import Settings, StoreURL, aws_profile
from goproxy_mirror.errors import SettingError, StorageError, StoreRefused
from goproxy_mirror.observe import start_log
from goproxy_mirror.ports import Ledger, Storage
from goproxy_mirror.state.files import instance_id
from goproxy_mirror.storage.ledger import FolderLedger
from goproxy_mirror.storage.local import LocalStorage

if TYPE_CHECKING:
    from goproxy_mirror.storage.objects import ObjectStorage
    from goproxy_mirror.storage.profile import ProfileCredentials
    from goproxy_mirror.storage.remote import Remote

log = structlog.get_logger(__name__)


@asynccontextmanager
async def storage_of(settings: Settings, *, make: bool = True) -> AsyncIterator[Storage]:
    """The store, open for as long as the context is; with `make` off, a folder that is not there is not made.

    Asks nobody: what is held can be served while a bucket is down.
    """
    if not isinstance(settings.store, StoreURL):
        local = LocalStorage(settings.store)
        if make:
            with suppress(StorageError):  # what is held can be served all the same
                await asyncio.to_thread(
                    local.open
                )  # again, since a worker may take the place of a killed one
        yield local
        return
    async with _bucket(settings, settings.store) as storage:
        yield storage


def check_store(settings: Settings) -> None:
    """See that files can be published, before anybody is served. Blocks. Raises `SettingError`.

    A bucket that does not answer is none: what was brought here is served meanwhile.
    """
    if not isinstance(settings.store, StoreURL):
        try:
            LocalStorage(settings.store).open()
        except StorageError as error:
            raise SettingError(f'store = "{settings.store}": {error.message}') from error
        return
    # In a process of its own: the client's threads would not live on in workers that are forked from this one.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(_check_bucket, settings, settings.store).result()


def _check_bucket(settings: Settings, url: StoreURL) -> None:
    start_log(settings.log_level, settings.log_format)
    asyncio.run(_probe(settings, url))


async def _probe(settings: Settings, url: StoreURL) -> None:
    async with _bucket(settings, url) as storage:
        try:
            profile = _credentials(url, dict(settings.store_options))
            if profile is not None:
                await asyncio.to_thread(profile.check)
            honours = await storage.probe()
        except StoreRefused as error:
            raise SettingError(
                f'store = "{url}": {error.message}; allowed is a bucket that is there, with credentials for it in the '
                f"environment{_or_profile(url)} (docs/stores.md)"
            ) from error
        except StorageError as error:
            log.warning(
                "the object store does not answer", reason=error.message, instead="serving what is held here"
            )
            return
    if settings.database and not honours.writes:
        raise SettingError(
            f'store = "{url}": several nodes share it, as database says, and the object store replaces what is there although it '
            "is told not to; allowed is one that honours If-None-Match (docs/stores.md), or one node without database"
        )


def _or_profile(url: StoreURL) -> str:
    if url.scheme != "s3":
        return ""
    from goproxy_mirror.storage.profile import INSTALL, can_read_profiles  # noqa: PLC0415 (as below)

    return " or in an AWS profile" + ("" if can_read_profiles() else f", which takes {INSTALL}")


async def ledger_of(settings: Settings) -> Ledger:
    """The records beside the published files. Asks no bucket anything."""
    if isinstance(settings.store, StoreURL):
        from goproxy_mirror.storage.bucketledger import BucketLedger  # noqa: PLC0415 (as below)

        return BucketLedger(remote_of(settings, settings.store))
    ledger = FolderLedger(settings.store)
    with suppress(StorageError):  # said again where it is written to
        await asyncio.to_thread(ledger.reclaim)
    return ledger


def _bucket(settings: Settings, url: StoreURL) -> ObjectStorage:
    from goproxy_mirror.storage.objects import ObjectStorage  # noqa: PLC0415 (a large library that a folder does not need)
    from goproxy_mirror.storage.tier import Tier  # noqa: PLC0415

    return ObjectStorage(
        remote_of(settings, url),
        Tier(settings.tier, settings.tier_size),
        instance=instance_id(settings.state),
        redirect_above=settings.redirect_above,
        look_every=min(60.0, max(1.0, settings.list_ttl)),
    )


def remote_of(settings: Settings, url: StoreURL) -> Remote:
    """The objects below a URL, reached as the settings say."""
    from goproxy_mirror.storage.remote import Limits, Remote  # noqa: PLC0415

    options = dict(settings.store_options)
    credentials = _credentials(url, options)
    plain = options.get("endpoint", "").startswith("http://")
    return Remote(
        url.text,
        options,
        limits=Limits(connect=settings.connect_timeout, transfer=max(60.0, settings.fetch_timeout)),
        ca=settings.ca_file.read_bytes() if settings.ca_file else None,
        proxy=settings.http_proxy if plain else settings.https_proxy,
        no_proxy=settings.no_proxy,
        credentials=credentials,
    )


def _credentials(url: StoreURL, options: dict[str, str]) -> ProfileCredentials | None:
    """What gives the credentials of the profile that the AWS SDKs would use, whose region becomes an option; None without one."""
    profile = aws_profile() if url.scheme == "s3" and options.get("skip_signature") != "true" else None
    if profile is None:
        return None
    from goproxy_mirror.storage.profile import INSTALL, ProfileCredentials, can_read_profiles  # noqa: PLC0415 (as above)

    if not can_read_profiles():
        if (
            profile.name is None
        ):  # a file that may have nothing to do with it; said where there are no other credentials
            return None
        raise SettingError(
            f'store = "{url}": the environment names the AWS profile {profile.name}, and what reads profiles is not installed; '
            f"either {INSTALL}, or name AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment (docs/stores.md)"
        )
    credentials = ProfileCredentials(profile.name, profile.region)
    if credentials.region is not None:
        options.setdefault("region", credentials.region)
    return credentials
