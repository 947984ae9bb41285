"""From the settings to the sites that Go toolchains come from."""

from __future__ import annotations

from collections.abc import Callable

from goproxy_mirror.config import Settings
from goproxy_mirror.ports import Source, Witness
from goproxy_mirror.sources.toolchain import ArchiveSite, Homes, Site, ToolchainFallback
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.transport import Hosts, Transport


def with_toolchains(
    homes: Homes,
    settings: Settings,
    transport: Transport,
    hosts: Hosts,
    *,
    instance: str,
    vouch: Callable[[Source, Witness], Source],
) -> Homes:
    """The homes of all modules, with the sites for `golang.org/toolchain`, each behind the check of what it brings."""
    if not settings.toolchains:
        return homes
    named = "toolchains" in settings.model_fields_set
    sites = []
    for url in settings.toolchains:
        is_proxy = url.endswith("/mod")
        site = (UpstreamSource if is_proxy else ArchiveSite)(url, transport, instance=instance)
        vouched = vouch(site, Witness(site.home, named=named, authority=is_proxy))
        sites.append(Site(vouched, site.host, is_proxy, site.is_back))
    return ToolchainFallback(homes, sites, hosts, named=named)
