"""Settings that are lists of URLs, the preferred one first: download sites, vulnerability databases."""

from __future__ import annotations

from urllib.parse import urlsplit

from goproxy_mirror.config.values import redact

TOOLCHAIN_SITES = (
    "https://go.dev/dl/mod",
    "https://golang.google.cn/dl/mod",
    "https://mirrors.aliyun.com/golang",
    "https://mirrors.ustc.edu.cn/golang",
)
"""Whence Go is downloaded: its own site under two names, as a module proxy, and two mirrors of the archives."""

VULNERABILITY_DATABASES = ("https://vuln.go.dev",)

_ALLOWED = "allowed are https:// and http:// URLs with commas between, or off"


def parse_sites(value: object) -> tuple[str, ...]:
    """URLs without a slash at the end, none twice; nothing for `off`. Raises `ValueError`."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(_ALLOWED)
    texts = [text for text in (str(item).strip() for item in items) if text]
    if texts == ["off"] or value == ():
        return ()
    if not texts:
        raise ValueError(f"the list has no entries; {_ALLOWED}")
    return tuple(dict.fromkeys(map(_site, texts)))


def _site(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
        good = parts.scheme in {"https", "http"} and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or any(ord(letter) <= 32 for letter in url):
        raise ValueError(f'"{redact(url)}" is no URL to which a path can be added; {_ALLOWED}')
    return url.rstrip("/")
