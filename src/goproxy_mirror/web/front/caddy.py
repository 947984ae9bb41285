"""What Caddy is told: the Caddyfile for `serve --front caddy`, whose second half `deploy/Caddyfile` has too."""

from __future__ import annotations

from pathlib import Path

from goproxy_mirror.web.front.plan import HEADERS, ODD, TYPES, Plan, quoted


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
        f"{name or _address(plan)} {{",
        *([] if name else _listen(plan)),
        *(["\tlog"] if plan.log_hits else []),
        "\t@stored {",
        "\t\tmethod GET HEAD",
        f"\t\tpath_regexp `{plan.file}`",
        "\t\t# The path is judged as it was sent.",
        f"\t\tnot vars_regexp {{http.request.orig_uri}} `(?i)(?:{ODD})`",
        *doubted,
        "\t\tfile {",
        f"\t\t\troot {quoted(plan.root)}",
        "\t\t\ttry_files {path}",
        "\t\t}",
        "\t}",
        "\thandle @stored {",
        *(f'\t\theader {name} "{value}"' for name, value in HEADERS.items()),
        *(
            line
            for ending, kind in TYPES.items()
            for line in (f"\t\t@{ending} path *.{ending}", f'\t\theader @{ending} Content-Type "{kind}"')
        ),
        "\t\tfile_server {",
        f"\t\t\troot {quoted(plan.root)}",
        "\t\t}",
        "\t}",
        "\thandle {",
        "\t\trequest_body {",
        "\t\t\tmax_size 64KB",
        "\t\t}",
        f"\t\treverse_proxy {_workers(plan)} {{",
        "\t\t\ttransport http {",
        "\t\t\t\tdial_timeout 5s",
        "\t\t\t\t# A module that is not here yet is answered once it is whole.",
        f"\t\t\t\tresponse_header_timeout {plan.patience}s",
        "\t\t\t\tkeepalive 20s",
        "\t\t\t\tkeepalive_idle_conns_per_host 64",
        "\t\t\t\tcompression off",
        "\t\t\t}",
        "\t\t}",
        "\t}",
        "\thandle_errors {",
        '\t\theader Cache-Control "no-store"',
        '\t\trespond "the proxy behind this web server does not answer" {err.status_code}',
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


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
