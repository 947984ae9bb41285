"""What Caddy is told: the Caddyfile for `serve --front caddy`, whose second half `deploy/Caddyfile` has too."""

from __future__ import annotations

import re
from pathlib import Path

from goproxy_mirror.web.front.plan import HEADERS, PARTIAL, TYPES, Plan, quoted


def configuration(plan: Plan, folder: Path) -> str:
    """The whole configuration; Caddy keeps its own files in `folder`. It asks nobody for certificates."""
    lines = [
        "{",
        "\tadmin off",
        "\tauto_https off",
        f"\tstorage file_system {quoted(folder / 'caddy')}",
        f"\tgrace_period {max(1, round(plan.drain))}s",
        "\tlog {",
        "\t\toutput stderr",
        "\t\tformat json",
        f"\t\tlevel {'INFO' if plan.log_hits else 'WARN'}",
        "\t}",
        "\tservers {",
        "\t\tprotocols h1 h2",  # the third would open a UDP port of which nobody was told
        "\t\ttimeouts {",
        "\t\t\tread_header 30s",
        "\t\t\tidle 75s",
        "\t\t}",
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n" + site(plan)


def site(plan: Plan, name: str | None = None) -> str:
    """One site of a Caddyfile; `name` is its address where Caddy is to listen as it likes."""
    doubted = [f"\t\tnot path {' '.join(map(quoted, plan.doubted))}"] if plan.doubted else []
    lines = [
        "(goproxy_mirror) {",
        f"\treverse_proxy {_workers(plan)} {{",
        "\t\ttransport http {",
        "\t\t\tdial_timeout 5s",
        "\t\t\t# A module that is not here yet is answered once it is whole.",
        f"\t\t\tresponse_header_timeout {plan.patience}s",
        "\t\t\tkeepalive 20s",
        "\t\t\tkeepalive_idle_conns_per_host 64",
        "\t\t\tcompression off",
        "\t\t}",
        "\t}",
        "}",
        "",
        f"{name or _address(plan)} {{",
        *([] if name else _listen(plan)),
        *(["\tlog"] if plan.log_hits else []),
        "\t@stored {",
        "\t\tmethod GET HEAD",
        *(f"\t\tnot header {name} *" for name in PARTIAL),
        "\t\t# The path is judged as it was sent.",
        f"\t\tvars_regexp stored {{http.request.orig_uri}} `{_sent(plan)}`",
        *doubted,
        "\t}",
        "\thandle @stored {",
        "\t\tmap {re.stored.1} {goproxy_mirror_type} {",
        *(f'\t\t\t{ending} "{kind}"' for ending, kind in TYPES.items()),
        "\t\t}",
        "\t\t# Of what is sent, not of what is only looked for; an Etag of Caddy's would mean nothing to the program.",
        "\t\theader {",
        *(f'\t\t\t{header} "{value}"' for header, value in HEADERS.items()),
        "\t\t\tContent-Type {goproxy_mirror_type}",
        "\t\t\t-Etag",
        "\t\t\tdefer",
        "\t\t}",
        "\t\tfile_server {",
        f"\t\t\troot {quoted(plan.root)}",
        "\t\t}",
        "\t}",
        "\thandle {",
        "\t\trequest_body {",
        "\t\t\tmax_size 64KB",
        "\t\t}",
        "\t\timport goproxy_mirror",
        "\t}",
        "\thandle_errors {",
        "\t\t@missing vars {http.error.status_code} 400 403 404 500",
        "\t\thandle @missing {",
        "\t\t\timport goproxy_mirror",
        "\t\t}",
        "\t\thandle {",
        '\t\t\theader Cache-Control "no-store"',
        '\t\t\trespond "the proxy behind this web server does not answer" {http.error.status_code}',
        "\t\t}",
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _sent(plan: Plan) -> str:
    """The expression for the address of a published file as a client sends it: `!` may be escaped, and nothing else."""
    letters = re.sub(r"\[([^]]*)!([^]]*)\]", r"(?:[\1\2]|!|%21)", plan.file.removesuffix("$"))
    return letters.replace("(?:info|mod|zip)", "(info|mod|zip)") + r"(?:\?|$)"


def _address(plan: Plan) -> str:
    scheme = "https" if plan.tls is not None else "http"
    return f"{scheme}://" if plan.socket is not None else f"{scheme}://:{plan.address.port}"


def _listen(plan: Plan) -> list[str]:
    if plan.socket is not None:
        return [f"\tbind {quoted(f'unix/{plan.socket}')}"]
    lines = [f"\tbind {plan.address.host}"]
    if plan.tls is not None:
        lines.append(f"\ttls {quoted(plan.tls.certificate)} {quoted(plan.tls.key)}")
    return lines


def _workers(plan: Plan) -> str:
    return quoted(f"unix/{plan.workers}") if isinstance(plan.workers, Path) else plan.workers
