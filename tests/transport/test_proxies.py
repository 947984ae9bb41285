"""Which forward proxy a URL is asked through."""

from __future__ import annotations

import pytest

from goproxy_mirror.errors import SettingError
from goproxy_mirror.transport import Proxies, Target
from goproxy_mirror.transport.proxies import proxy_address


def asked(no_proxy: str, url: str) -> bool:
    """Whether the URL is asked through the proxy with that NO_PROXY."""
    proxies = Proxies(http="http://p.test:3128", https="http://p.test:3128", no_proxy=no_proxy)
    return proxies.of(Target.parse(url)) is not None


def test_each_scheme_has_its_proxy() -> None:
    """HTTP_PROXY is for http URLs, HTTPS_PROXY for https URLs; a scheme of http is assumed."""
    proxies = Proxies(http="plain.test:8080", https="https://user:pw@tls.test")
    assert proxies.of(Target.parse("http://x.test/")) == "http://plain.test:8080"
    assert proxies.of(Target.parse("https://x.test/")) == "https://user:pw@tls.test"
    assert Proxies().of(Target.parse("https://x.test/")) is None
    assert proxy_address("https://user:pw@tls.test") == ("tls.test", 443)
    assert proxy_address("http://[::1]:3128") == ("::1", 3128)


def test_a_socks_proxy_resolves_names() -> None:
    """As it does for the go command; a name that was vetted is not looked up a second time here."""
    for scheme in ("socks5", "SOCKS5", "socks5h"):
        proxies = Proxies(https=f"{scheme}://u:p@p.test:1080")
        assert (proxies.of(Target.parse("https://x.test/")) or "").lower() == "socks5h://u:p@p.test:1080"


@pytest.mark.parametrize("url", ["https://localhost/", "http://127.0.0.1:8080/", "http://[::1]/"])
def test_this_machine_is_never_asked_through_a_proxy(url: str) -> None:
    """Loopback names and addresses are connected to directly."""
    assert not asked("", url)


@pytest.mark.parametrize(
    ("no_proxy", "url", "through"),
    [
        ("*", "https://x.test/", False),
        ("a.test, * ,", "https://x.test/", False),
        ("x.test", "https://x.test/", False),
        ("x.test", "https://sub.x.test/", False),
        ("x.test", "https://notx.test/", True),
        ("X.Test", "https://x.test/", False),
        (".x.test", "https://x.test/", True),
        (".x.test", "https://sub.x.test/", False),
        ("*.x.test", "https://sub.x.test/", False),
        ("*.x.test", "https://x.test/", True),
        ("x.test:8443", "https://x.test:8443/", False),
        ("x.test:8443", "https://x.test/", True),
        ("10.0.0.0/8", "https://10.1.2.3/", False),
        ("10.0.0.0/8", "https://11.1.2.3/", True),
        ("10.0.0.0/8", "https://x.test/", True),
        ("10.1.2.3", "https://10.1.2.3/", False),
        ("10.1.2.3:80", "https://10.1.2.3/", True),
        ("fd00::/8", "https://[fd00::1]/", False),
        ("[fd00::1]:443", "https://[fd00::1]/", False),
        ("fd00::1", "https://[fd00::1]/", False),
        ("10.0.0.0/99, ., :80", "https://x.test/", True),
    ],
)
def test_no_proxy_means_what_it_means_to_the_go_command(no_proxy: str, url: str, through: bool) -> None:
    """Domains, suffixes, addresses, ranges, ports and the star."""
    assert asked(no_proxy, url) is through


@pytest.mark.parametrize("value", ["ftp://user:secret@p.test", "http://", "http://user:secret@:80"])
def test_what_is_no_proxy_is_refused_without_showing_secrets(value: str) -> None:
    """A wrong proxy names the setting and what is allowed, not the password."""
    with pytest.raises(SettingError, match="HTTPS_PROXY") as failure:
        Proxies(https=value)
    assert "secret" not in str(failure.value)


def test_a_proxy_is_not_printed() -> None:
    """The password of a proxy does not get into a log by way of repr."""
    assert "secret" not in repr(Proxies(https="http://user:secret@p.test"))
