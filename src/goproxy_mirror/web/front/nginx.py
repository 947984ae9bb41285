"""What nginx is told: the configuration for `serve --front nginx`, whose second half `deploy/nginx.conf` has too.

A hit costs nginx one look into its cache of open files, and no look-up more than serving a bare folder does: what it cannot
find is what it asks us for (https://nginx.org/en/docs/http/ngx_http_core_module.html#error_page).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from goproxy_mirror.web.front.plan import HEADERS, ODD, PARTIAL, TYPES, Plan, quoted

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_IDLE = 20
"""Seconds for which a connection to us may idle; we close it after 30."""


def configuration(plan: Plan, folder: Path) -> str:
    """The whole configuration; nginx keeps its own files in `folder`."""
    lines = [
        "daemon off;",
        *_user(),
        f"worker_processes {plan.processes};",
        f"worker_shutdown_timeout {max(1, round(plan.drain))}s;",
        "pcre_jit on;",
        f"pid {quoted(folder / 'nginx.pid')};",
        "error_log stderr warn;",
        f"events {{ worker_connections {plan.connections}; }}",
        "http {",
        *(f"    {kind}_temp_path {quoted(folder / kind)};" for kind in _TEMPORARY),
        *_log(plan),
        *(f"    {line}".rstrip() for line in site(plan).splitlines()),
        "}",
    ]
    return "\n".join(lines) + "\n"


def site(plan: Plan, name: str | None = None) -> str:
    """What stands in nginx's `http` block; `name` is the host that it serves, where there are others beside it."""
    doubt = [] if not plan.doubted else ["        if ($goproxy_mirror_doubted) { return 418; }"]
    lines = [
        *_maps(plan),
        "upstream goproxy_mirror {",
        f"    server {_workers(plan)} max_fails=0;",
        "    keepalive 64;",
        f"    keepalive_timeout {_IDLE}s;",
        "}",
        "",
        "server {",
        *_listen(plan, alone=name is None),
        *([f"    server_name {name};"] if name else []),
        "    server_tokens off;",
        "    # The path is judged as it was sent.",
        "    merge_slashes off;",
        "    sendfile on;",
        "    tcp_nopush on;",
        "    keepalive_requests 100000;",
        "    client_max_body_size 64k;",
        "    recursive_error_pages on;",
        "",
        f'    location ~ "{plan.file}" {{',
        f"        root {quoted(plan.root)};",
        "        # What is taken out of the store is gone from here after a second. As many files are held open beside all",
        "        # connections, so more need a larger worker_rlimit_nofile.",
        f"        open_file_cache max={plan.kept_open} inactive=60s;",
        "        open_file_cache_valid 1s;",
        "        log_not_found off;",
        *(["        access_log /dev/stderr goproxy_mirror;"] if plan.log_hits else []),
        "        types {",
        *(f'            "{kind}" {ending};' for ending, kind in TYPES.items()),
        "        }",
        *(f'        add_header {name} "{value}";' for name, value in HEADERS.items()),
        "        if ($goproxy_mirror_odd) { return 418; }",
        "        if ($goproxy_mirror_partial) { return 418; }",
        *doubt,
        "        error_page 301 403 404 405 418 500 503 = @goproxy_mirror;",
        "    }",
        "",
        "    location / {",
        "        error_page 418 = @goproxy_mirror;",
        "        return 418;",
        "    }",
        "",
        "    location @goproxy_mirror {",
        "        proxy_pass http://goproxy_mirror;",
        "        proxy_http_version 1.1;",
        '        proxy_set_header Connection "";',
        "        proxy_set_header Host $http_host;",
        "        proxy_set_header X-Forwarded-For $remote_addr;",
        "        proxy_set_header X-Forwarded-Proto $scheme;",
        "        proxy_connect_timeout 5s;",
        "        # A module that is not here yet is answered once it is whole.",
        f"        proxy_read_timeout {plan.patience}s;",
        f"        proxy_send_timeout {plan.patience}s;",
        "        proxy_max_temp_file_size 0;",
        "        error_page 502 504 = @goproxy_mirror_away;",
        "    }",
        "",
        "    location @goproxy_mirror_away {",
        "        default_type text/plain;",
        '        add_header Cache-Control "no-store" always;',
        '        return 502 "the proxy behind this web server does not answer\\n";',
        "    }",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _maps(plan: Plan) -> list[str]:
    odd = ["map $request_uri $goproxy_mirror_odd {", "    default 0;", f'    "~*(?:{ODD})" 1;', "}", ""]
    asked = "".join(f"$http_{name.lower().replace('-', '_')}" for name in PARTIAL)
    odd += [
        "# A refusal of these would be kept for as long as the file.",
        f'map "{asked}" $goproxy_mirror_partial {{',
        "    default 1;",
        '    "" 0;',
        "}",
        "",
    ]
    if not plan.doubted:
        return odd
    doubted = [f"    {quoted(path)} 1;" for path in plan.doubted]
    return [
        # Room for the longest path that is served.
        "map_hash_bucket_size 4096;",
        "map_hash_max_size 8192;",
        *odd,
        "map $uri $goproxy_mirror_doubted {",
        "    default 0;",
        *doubted,
        "}",
        "",
    ]


def _listen(plan: Plan, *, alone: bool) -> list[str]:
    if plan.socket is not None:
        return [f"    listen {quoted(f'unix:{plan.socket}')};"]
    host = f"[{plan.address.host}]" if ":" in plan.address.host else plan.address.host
    options = " ssl" if plan.tls is not None else ""
    if alone:
        options += " backlog=4096"  # which only one server of an address may say
    if plan.address.host == "::":
        options += " ipv6only=off"
    lines = [f"    listen {host + ':' if host else ''}{plan.address.port}{options};"]
    if plan.tls is not None:
        lines += [
            f"    ssl_certificate {quoted(plan.tls.certificate)};",
            f"    ssl_certificate_key {quoted(plan.tls.key)};",
            "    ssl_protocols TLSv1.2 TLSv1.3;",
            "    ssl_session_cache shared:goproxy_mirror:10m;",
        ]
    return lines


def _workers(plan: Plan) -> str:
    return quoted(f"unix:{plan.workers}") if isinstance(plan.workers, Path) else plan.workers


def _log(plan: Plan) -> list[str]:
    """Hits as lines that we read; everything else is in our own log."""
    if not plan.log_hits:
        return ["    access_log off;"]
    return [
        "    log_format goproxy_mirror escape=json",
        '        \'{"method":"$request_method","path":"$uri","status":$status,"bytes":$body_bytes_sent,\'',
        "        '\"seconds\":$request_time}';",
        "    access_log off;",
    ]


def _user() -> list[str]:
    """Started by root, nginx would let its workers run as somebody who cannot read the store."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return []
    import grp  # noqa: PLC0415 - exists on Unix alone
    import pwd  # noqa: PLC0415

    return [f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"]
