"""From the settings to the homes of modules, each behind the check of what it brings."""

from __future__ import annotations

from dataclasses import replace

from goproxy_mirror.config import Settings, Upstreams
from goproxy_mirror.mirror.policy import Policy, Route
from goproxy_mirror.ports import Credentials, Source, Verifier, Witness
from goproxy_mirror.sources.chain import Chain, Ending, Step
from goproxy_mirror.sources.directory import DirectorySource
from goproxy_mirror.sources.mirrors import ModuleHomes
from goproxy_mirror.sources.proven import ProvenSource
from goproxy_mirror.sources.upstream import UpstreamSource
from goproxy_mirror.state.files import instance_id
from goproxy_mirror.transport import Hosts, Transport
from goproxy_mirror.vcs.discovery import Discovery
from goproxy_mirror.vcs.fallback import FallbackRepositories
from goproxy_mirror.vcs.git import GitRepositories
from goproxy_mirror.wiring.rules import rules_of
from goproxy_mirror.wiring.toolchains import with_toolchains


def policy_of(
    settings: Settings,
    transport: Transport,
    hosts: Hosts,
    repositories: GitRepositories,
    fallbacks: FallbackRepositories,
    credentials: Credentials,
    verifier: Verifier,
) -> Policy:
    """What each module's source is. Nothing leaves a source before `verifier` has vouched for it."""
    instance = instance_id(settings.state)
    private = ",".join((*settings.private, *settings.gonoproxy))

    async def connect(url: str) -> None:
        # ssh gives up by itself where a host does not connect.
        if credentials.by_ssh(url) is None:
            await transport.connectable(url)

    async def is_back(url: str, led: bool) -> bool:
        return credentials.by_ssh(url) is not None or await transport.is_back(url, led=led)

    def vouch(source: Source, witness: Witness) -> Source:
        # Who switches the database off has decided for every home that is set, the built-in table's too.
        named = witness.named or not settings.gosumdb.name
        return ProvenSource(source, replace(witness, named=named), verifier)

    modules = ModuleHomes(
        finder=Discovery(transport, private=private),
        repositories=repositories,
        rules=rules_of(settings),
        reach=hosts,
        order=settings.order,
        connect=connect,
        is_back=is_back,
        proxy=lambda url, opens: UpstreamSource(
            url, transport, instance=instance, led=True, credentials=opens
        ),
        fallback=fallbacks.open,
        origin_wait=settings.origin_wait,
        vouch=vouch,
    )
    homes = with_toolchains(modules, settings, transport, hosts, instance=instance, vouch=vouch)

    def named(source: UpstreamSource | DirectorySource) -> Source:
        return vouch(source, Witness(source.home, named=True))

    def chain(upstreams: Upstreams) -> Chain:
        steps = []
        ending = Ending()
        for step in upstreams:
            if step.kind == "url":
                source = UpstreamSource(step.url, transport, instance=instance)
                steps.append(Step(named(source), source.host, step.fall_through_on_any, source.is_back))
            elif step.kind == "file" and step.path is not None:
                steps.append(Step(named(DirectorySource(step.path)), None, step.fall_through_on_any))
            else:
                ending = Ending(direct=step.kind == "direct", off=step.kind == "off")
        return Chain(steps, ending, homes, hosts)

    return Policy(
        direct=private,
        origin=homes,
        routes=[Route(glob, chain(upstreams)) for glob, upstreams in settings.upstreams.items()],
        public=chain(settings.upstream),
        unlisted=",".join((*settings.private, *settings.gonosumdb)),
    )
