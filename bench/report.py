"""Draws the results of `bench/run --json`: a page with charts, and the tables of `docs/performance.md`.

    python -m bench.report results.json             writes bench/report.html
    python -m bench.report results.json --docs      and the tables of docs/performance.md, in both languages

The page asks nobody for anything, and follows the reader's choice of light or dark. In the documents the tables stand between two
marks; what is written around them stays.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.figures import shown

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "bench/report.html"
BEGIN, END = "<!-- bench/report.py: begin -->", "<!-- bench/report.py: end -->"

_HIDDEN = ("upstream", "failed", "p50", "median")
"""Quantities with these words are in the tables, and have no chart."""

_ABOUT = "Medians of repeats in turns; the thin line spans the smallest and the largest."
_STYLE = """
:root { color-scheme: light dark; --paper: #fcfcfb; --ink: #1d1f21; --soft: #6a6f76; --line: #dcdfe3;
  --ours: #0b6e99; --other: #aab2bb; --met: #1a7f4b; --missed: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e6e8ea; --soft: #98a0a8; --line: #33383e;
  --ours: #4db3dd; --other: #59626c; --met: #5cc98d; --missed: #f2857c; } }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.4rem 0 .2rem; }
p { margin: .2rem 0 .8rem; color: var(--soft); } .grid { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(27rem, 1fr)); }
figure { margin: 0; } figcaption { font-size: .85rem; color: var(--soft); margin-bottom: .2rem; }
svg { width: 100%; height: auto; display: block; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .soft { fill: var(--soft); } svg .other { fill: var(--other); } svg .ours { fill: var(--ours); }
svg .spread { stroke: var(--ink); stroke-width: 1.2; } .scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .28rem .7rem .28rem 0; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; } .met { color: var(--met); } .missed { color: var(--missed); font-weight: 600; }
"""


def bars(figures: Sequence[dict[str, Any]]) -> str:
    """A chart of one quantity: a bar for each server with the span of its repeats."""
    row, left, width = 24, 112, 250
    top = max((each["high"] for each in figures), default=0) or 1
    parts = []
    for number, each in enumerate(figures):
        y = number * row
        scale = width / top
        kind = "ours" if each["server"].startswith("ours") else "other"
        low, high = left + each["low"] * scale, left + each["high"] * scale
        parts.append(
            f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(each["server"])}</text>'
            f'<rect class="{kind}" x="{left}" y="{y + 4}" width="{max(1.0, each["median"] * scale):.1f}" height="16" rx="2"/>'
            f'<path class="spread" d="M{low:.1f} {y + 12}H{high:.1f}M{low:.1f} {y + 8}v8M{high:.1f} {y + 8}v8"/>'
            f'<text class="soft" x="{left + width + 10}" y="{y + 16}">{shown(each["median"])} {escape(each["unit"])}</text>'
        )
    label = "; ".join(f"{each['server']} {shown(each['median'])} {each['unit']}" for each in figures)
    return f'<svg viewBox="0 0 470 {len(figures) * row + 2}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def _by_quantity(figures: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in figures:
        found.setdefault(each["quantity"], []).append(each)
    return found


def page(told: dict[str, Any]) -> str:
    """The whole page."""
    machine = told["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    about = f"{machine['date']} · {machine['processor']} · {machine['cores']} cores · {machine['system']}"
    parts = [
        "<h1>goproxy-mirror beside its peers</h1>",
        f"<p>{escape(about)}<br>{escape(versions)}<br>{_ABOUT}</p>",
    ]
    if told["quick"]:
        parts.append('<p class="missed">A quick run, which proves the harness and not the program.</p>')
    parts += ["<h2>Targets</h2>", _verdict_table(told["verdicts"])]
    for name, what in told["measures"].items():
        mine = [each for each in told["figures"] if each["measure"] == name]
        if not mine:
            continue
        charts = [
            f"<figure><figcaption>{escape(quantity)}, {escape(each[0]['unit'])}</figcaption>{bars(each)}</figure>"
            for quantity, each in _by_quantity(mine).items()
            if not any(word in quantity for word in _HIDDEN) and each[0]["unit"]
        ]
        parts += [
            f"<h2>{escape(name)}</h2><p>{escape(what)}</p>",
            f'<div class="grid">{"".join(charts)}</div>',
        ]
    parts += ["<h2>Notes</h2><ul>", *(f"<li>{escape(note)}</li>" for note in told["notes"]), "</ul>"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>goproxy-mirror beside its peers</title>'
        f"<style>{_STYLE}</style></head><body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def _verdict_table(verdicts: Sequence[dict[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(each['measure'])}</td><td>{escape(each['quantity'])}</td><td>{escape(_whose(each))}</td>"
        f'<td class="n">{_found(each)}</td><td class="n">{_bound(each)}</td>'
        f'<td class="{each["verdict"]}">{each["verdict"]}</td></tr>'
        for each in verdicts
    )
    return (
        '<div class="scroll"><table><tr><th>measure</th><th>quantity</th><th>of</th><th class="n">found</th>'
        f'<th class="n">target</th><th></th></tr>{rows}</table></div>'
    )


def _whose(verdict: dict[str, Any]) -> str:
    return f"{verdict['server']} / {verdict['against']}" if verdict["against"] else str(verdict["server"])


def _found(verdict: dict[str, Any]) -> str:
    return "–" if verdict["found"] is None else shown(verdict["found"])


def _bound(verdict: dict[str, Any]) -> str:
    return f"{'≥' if verdict['at_least'] else '≤'} {shown(verdict['bound'])}"


# Documents.

_WORDS = {
    "en": {
        "title": "# Performance",
        "run": "Measured by `bench/run` on {date}: {processor}, {cores} cores, {system}; {versions}. Each figure is the median "
        "of repeats in which the servers take turns; in parentheses the smallest, the largest, and how many there were.",
        "targets": "## Targets\n\n| measure | quantity | of | found | target | |\n|---|---|---|--:|--:|---|",
        "figures": "## Figures",
        "measure": "measure",
        "notes": "## Notes",
        "met": "met",
        "missed": "**missed**",
        "not measured": "not measured",
    },
    "zh": {
        "title": "# 性能",
        "run": "由 `bench/run` 于 {date} 测得：{processor}，{cores} 核，{system}；{versions}。"
        "每个数字是各服务器轮流重复的中位数，括号内是最小值、最大值与重复次数。",
        "targets": "## 目标\n\n| 测量 | 量 | 对象 | 结果 | 目标 | |\n|---|---|---|--:|--:|---|",
        "figures": "## 数据",
        "measure": "测量",
        "notes": "## 说明",
        "met": "达到",
        "missed": "**未达到**",
        "not measured": "未测量",
    },
}


def tables(told: dict[str, Any], language: str) -> str:
    """The run, its targets and all figures, as Markdown."""
    words = _WORDS[language]
    machine = told["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [
        words["run"].format(**{**machine, "versions": versions}),
        "",
        words["targets"],
    ]
    for each in told["verdicts"]:
        cells = (
            each["measure"],
            each["quantity"],
            _whose(each),
            _found(each),
            _bound(each),
            words[each["verdict"]],
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", words["figures"]]
    for name in told["measures"]:
        mine = [each for each in told["figures"] if each["measure"] == name]
        if mine:
            lines += ["", *_figure_table(name, mine, words["measure"])]
    lines += ["", words["notes"], "", *(f"- {note}" for note in told["notes"])]
    return "\n".join(lines) + "\n"


def _figure_table(name: str, figures: Sequence[dict[str, Any]], heading: str) -> list[str]:
    servers = list(dict.fromkeys(each["server"] for each in figures))
    lines = [f"| {heading}: {name} | {' | '.join(servers)} |", "|---|" + "--:|" * len(servers)]
    for quantity, found in _by_quantity(figures).items():
        cells = {
            each[
                "server"
            ]: f"{shown(each['median'])} ({shown(each['low'])}–{shown(each['high'])}; {len(each['values'])})"
            for each in found
        }
        unit = f", {found[0]['unit']}" if found[0]["unit"] else ""
        lines.append(f"| {quantity}{unit} | {' | '.join(cells.get(server, '–') for server in servers)} |")
    return lines


def write_tables(told: dict[str, Any], file: Path, language: str) -> None:
    """Put the tables between the marks of a document, which is begun where it is not there."""
    text = file.read_text() if file.exists() else f"{_WORDS[language]['title']}\n\n{BEGIN}\n{END}\n"
    before, mark, rest = text.partition(BEGIN)
    _, closing, after = rest.partition(END)
    if not mark or not closing:
        raise SystemExit(f"{file.name} has no marks ({BEGIN} … {END})")
    file.write_text(f"{before}{BEGIN}\n{tables(told, language)}{END}{after}")


def write(told: dict[str, Any], file: Path = PAGE) -> None:
    """Draw the page."""
    file.write_text(page(told))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the results of bench/run --json.")
    parser.add_argument(
        "results", type=Path, nargs="+", help="later files add measures to the first, or replace them"
    )
    parser.add_argument("--html", type=Path, default=PAGE, help="the page (default bench/report.html)")
    parser.add_argument(
        "--docs", action="store_true", help="also write the tables of docs/performance.md, in both languages"
    )
    arguments = parser.parse_args()
    told = joined([json.loads(each.read_text()) for each in arguments.results])
    write(told, arguments.html)
    if arguments.docs:
        write_tables(told, ROOT / "docs/performance.md", "en")
        write_tables(told, ROOT / "docs/performance.zh-CN.md", "zh")


def joined(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several runs as one: each measure from the last run that has it."""
    told = dict(runs[0])
    for run in runs[1:]:
        for part in ("figures", "verdicts"):
            kept = [each for each in told[part] if each["measure"] not in run["measures"]]
            told[part] = kept + run[part]
        told["measures"] = {**told["measures"], **run["measures"]}
        told["notes"] = list(dict.fromkeys([*told["notes"], *run["notes"]]))
        told["quick"] = told["quick"] or run["quick"]
    return told


if __name__ == "__main__":
    main()
