"""What the operator has decided: read once, frozen, and never printed with its secrets."""

from __future__ import annotations

from goproxy_mirror.config.checks import check_exposure, check_folders, check_place, check_ssh
from goproxy_mirror.config.load import Loaded, load
from goproxy_mirror.config.own import with_own_credentials
from goproxy_mirror.config.profiles import AwsProfile, aws_profile
from goproxy_mirror.config.rules import MirrorRule, RewriteRule
from goproxy_mirror.config.settings import Settings
from goproxy_mirror.config.show import as_toml
from goproxy_mirror.config.stores import StoreURL
from goproxy_mirror.config.upstreams import Upstreams, UpstreamStep
from goproxy_mirror.config.values import Listen

__all__ = [
    "AwsProfile",
    "Listen",
    "Loaded",
    "MirrorRule",
    "RewriteRule",
    "Settings",
    "StoreURL",
    "UpstreamStep",
    "Upstreams",
    "as_toml",
    "aws_profile",
    "check_exposure",
    "check_folders",
    "check_place",
    "check_ssh",
    "load",
    "with_own_credentials",
]
