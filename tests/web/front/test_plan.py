"""What may be given away, and what can be written into a configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.web.front.plan import Plan, quoted
from goproxy_mirror.web.listening import Address

PLAN = Plan(Path("/store"), "127.0.0.1:1", Address("127.0.0.1", 2), prefix="/go.proxy")


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/golang.org/x/text/@v/v0.3.0.info", True),
        ("/github.com/!azure/a~b/v2/@v/v2.0.0-rc.1+incompatible.zip", True),
        ("/gopkg.in/yaml.v3/@v/v3.0.1.mod", True),
        ("/golang.org/x/text/@v/list", False),
        ("/golang.org/x/text/@latest", False),
        ("/golang.org/x/text/@v/master.info", False),
        ("/golang.org/x/text/@v/v0.3.0.ziphash", False),
        ("/golang.org/x/.text/@v/v0.3.0.zip", False),
        ("/golang.org/x/../@v/v0.3.0.zip", False),
        ("/golang.org//x/@v/v0.3.0.zip", False),
        ("/github.com/Azure/x/@v/v1.0.0.zip", False),
        ("/golang.org/x/text/@v/.v0.3.0.zip", False),
        ("/.tmp/x/@v/v0.3.0.zip", False),
        ("/_state/corp.test/x/@v/v0.3.0.zip", False),
        ("/sumdb/sum.golang.org/tile/8/0/000", False),
    ],
)
def test_only_published_files_are_given_away(path: str, given: bool) -> None:
    """A file of a version, in the one spelling that there is, below the prefix and nowhere else."""
    assert bool(re.search(PLAN.file, f"/go.proxy{path}")) is given
    assert not re.search(PLAN.file, f"/goXproxy{path}")
    assert not re.search(PLAN.file, path)


@pytest.mark.parametrize("path", ['a"b', "a$b", "a{b", "a\\b", "a\nb", "a`b", "a\udcffb"])
def test_a_path_that_means_something_else_there_is_refused(path: str) -> None:
    """Nothing that a configuration file reads as more than a name gets into one."""
    with pytest.raises(SettingError, match="configuration of a web server"):
        quoted(path)
    assert quoted("/srv/a b;c#d") == '"/srv/a b;c#d"'
