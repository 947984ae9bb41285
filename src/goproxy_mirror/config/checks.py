"""What must hold before the port is opened, beyond each setting by itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from goproxy_mirror.config.credentials import SSHRule
from goproxy_mirror.config.goenv import GoEnvironment
from goproxy_mirror.config.settings import Settings
from goproxy_mirror.config.stores import StoreURL
from goproxy_mirror.errors import SettingError
from goproxy_mirror.module.sshaddress import is_ssh

# What people write to say that no module is meant (`go help module-private`).
_NOTHING = {"none", "off", "nothing"}


def check_exposure(settings: Settings) -> None:
    """Refuse to give private modules to whoever can connect, while clients are not identified.

    Whatever the server's credentials open counts as private: anybody could ask for it by its name.
    """
    patterns = [glob for glob in (*settings.private, *settings.gonoproxy) if glob not in _NOTHING]
    if settings.private_to_all or settings.socket or settings.listen.loopback:
        return
    if patterns:
        what = f"the private modules {','.join(dict.fromkeys(patterns))}"
    elif settings.credential_names:
        what = f"all that is opened by the credentials ({', '.join(settings.credential_names)})"
    else:
        return
    raise SettingError(
        f'listen = "{settings.listen}": other machines can connect there, clients are not '
        f"identified, and {what} would be served to all of them; "
        "listen on 127.0.0.1 or a socket, or allow it with --private-to-all"
    )


def check_ssh(settings: Settings) -> None:
    """Refuse repositories by SSH where no host key is known, or nothing that could open them."""
    rights = [right for rule in settings.mirrors for right in rule.candidates]
    rights += [right for rewrite in settings.rewrites for right in rewrite.rights]
    routes = [rule for rule in settings.credentials if isinstance(rule, SSHRule)]
    address = next(filter(is_ssh, (*rights, *(route.address for route in routes))), None)
    if address is None:
        return
    if settings.ssh_known_hosts is None:
        raise SettingError(
            f'ssh_known_hosts: it is needed, since "{address}" is asked by SSH; allowed is a file with the keys of the hosts '
            "that are believed (ssh-keyscan writes one)"
        )
    own_keys = all(route.key for route in routes) and not any(map(is_ssh, rights))
    if settings.ssh_key is None and settings.ssh_agent is None and not own_keys:
        raise SettingError(f'ssh_key: it is needed, or ssh_agent, since "{address}" is asked by SSH')


def check_folders(settings: Settings, environ: Mapping[str, str] | None = None) -> None:
    """Make the store's and the state's folder, and see that files can be written to them.

    Raises `SettingError`, also for what `check_place` refuses.
    """
    check_place(settings, environ)
    folders = [("store", settings.store), ("state", settings.state)]
    if isinstance(settings.store, StoreURL):
        folders[0] = ("tier", settings.tier)
    for name, folder in folders:
        assert isinstance(folder, Path), "a bucket's folder is the tier's"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise SettingError(
                f'{name} = "{folder}": the folder cannot be written to ({error.strerror}); allowed is a '
                f"folder in which this user may make files (--data, --{name})"
            ) from None


def check_place(settings: Settings, environ: Mapping[str, str] | None = None) -> None:
    """Refuse a store inside the go command's module cache: both would wait for each other's locks, and see each
    other's unfinished files. Raises `SettingError`.
    """
    store = settings.store
    if isinstance(store, StoreURL):
        return
    caches = [folder for folder in store.resolve().parents if _looks_like_module_cache(folder)]
    if _looks_like_module_cache(store):
        caches.append(store)
    known = GoEnvironment(os.environ if environ is None else environ).module_cache()
    if known is not None and store.resolve().is_relative_to(known.resolve()):
        caches.append(known)
    if caches:
        raise SettingError(
            f'store = "{store}": it is inside the go command\'s module cache {caches[0]}, which must not be '
            f"shared; allowed is a folder of its own (that cache can be an upstream: file://{caches[0]}/cache/download)"
        )


def _looks_like_module_cache(folder: Path) -> bool:
    """The go command keeps a lock beside the downloads of its module cache."""
    return (folder / "cache" / "lock").is_file() and (folder / "cache" / "download").is_dir()
