"""report.html: one file that needs no other, for screens of any size, light or dark."""

from __future__ import annotations

import base64
from html import escape

from .catalogue import Entry
from .data import RunData
from .numbers import Numbers, symbol
from .style import weight_colours, weight_label
from .table import columns, ordered_members
from .verdict import Verdict, verdict

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fdfdfb; --faint: #667; --line: #d8d8d4;
  --card: #ffffff; --accent: #00654a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --paper: #16181b; --faint: #9aa;
  --line: #383c42; --card: #1f2226; --accent: #5fd3ab; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem 1rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.15rem; font-weight: 600; color: var(--faint); margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.6rem 0 .6rem; }
.verdict { border-left: 4px solid var(--accent); padding: .1rem 0 .1rem 1rem; margin: 0 0 1.6rem; }
.verdict p.headline { font-size: 1.55rem; line-height: 1.25; font-weight: 650; margin: 0 0 .6rem; }
.verdict li { margin: .25rem 0; }
.verdict ul { padding-left: 1.1rem; margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem;
  width: 100%; }
th, td { padding: .28rem .55rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { font-weight: 600; border-bottom: 2px solid var(--line); }
td.weight::before { content: ""; display: inline-block; width: .7em; height: .7em;
  border-radius: 50%; margin-right: .45em; background: var(--dot); }
figure { margin: 0; }
figure .scroll { background: #fff; border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem; }
figure img { display: block; margin: 0 auto; max-width: 100%; height: auto; }
@media (max-width: 640px) { figure img.wide { max-width: none; width: 44rem; } }
figcaption, .source { font-size: .88rem; color: var(--faint); margin: .5rem 0 0; }
.source { font-size: .8rem; }
code, pre { font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); padding: .8rem;
  border-radius: 6px; }
details { margin-top: 2rem; } summary { cursor: pointer; }
data { border-bottom: 1px dotted var(--line); }
"""

WIDE_INCHES = 6.5
"""Figures wider than this keep a readable size on a phone and scroll sideways."""


def page(run: RunData, pictures: list[tuple[Entry, bytes, float]]) -> str:
    """The report's HTML.

    Args:
        run: the analysed run directory.
        pictures: catalogue entry, PNG and width in inches of every figure to show.
    """
    name = run.directory.path.resolve().name
    parts = [_verdict(found) for found in verdict(run.analysis, html=True)]
    parts += ["<h2>Runs</h2>", run_table(run)]
    parts += [
        _figure(entry, entry.caption_for(run), content, width) for entry, content, width in pictures
    ]
    parts.append(_configuration(run))
    body = "\n".join(parts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Functional differentiation by mutual information minimisation · {escape(name)} · "
        f"{_what(run)}</h1>\n{body}\n</body>\n</html>\n"
    )


def run_table(run: RunData) -> str:
    """The run table; every cell carries its full value and its place in analysis.json."""
    numbers = Numbers(run.analysis)
    colours = weight_colours(run.weights)
    head = "".join(f"<th>{symbol(heading)}</th>" for heading, _, _ in columns(run.analysis))
    lines = []
    for member in ordered_members(run):
        place = ("members", run.members.index(member))
        cells = [numbers.show(form, *place, *path) for _, path, form in columns(run.analysis)]
        first = f'<td class="weight" style="--dot:{colours[member["mi_weight"]]}">{cells[0]}</td>'
        lines.append(f"<tr>{first}{''.join(f'<td>{cell}</td>' for cell in cells[1:])}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(lines)
        + "</tbody></table></div>\n<p class='source'>Measured on held-out sequences at the last "
        "snapshot. Q raw, and Q / Q<sub>max</sub>; MI is at least what a fresh critic finds. Rest "
        "on a number to see its place in analysis.json; in the page's source it has all its "
        "digits.</p>"
    )


def _what(run: RunData) -> str:
    counts = [f"{len(run.of_weight(w))} × {weight_label(w)}" for w in run.weights]
    epoch = run.analysis["epochs"][-1]
    text = f"{', '.join(counts)}, {epoch} of {run.config.training.epochs} epochs"
    return text.replace(" = ", "\u00a0=\u00a0").replace(" × ", "\u00a0×\u00a0")


def _verdict(found: Verdict) -> str:
    items = "".join(f"<li>{sentence}</li>" for sentence in found.sentences)
    return (
        f'<section class="verdict"><p class="headline">{found.headline}.</p>'
        f"<ul>{items}</ul></section>"
    )


def _figure(entry: Entry, caption: str, content: bytes, width: float) -> str:
    data = base64.b64encode(content).decode()
    wide = ' class="wide"' if width > WIDE_INCHES else ""
    return (
        f'<h2 id="{entry.name}">{escape(entry.title)}</h2>\n<figure><div class="scroll">'
        f'<img{wide} alt="{escape(entry.title, quote=True)}" '
        f'src="data:image/png;base64,{data}"></div>\n'
        f"<figcaption>{symbol(caption)}</figcaption>"
        f'<p class="source">figures/{entry.name}.pdf · {escape(entry.source)}</p></figure>'
    )


def _configuration(run: RunData) -> str:
    return (
        "<details><summary>Configuration (config.toml)</summary>"
        f"<pre>{escape(run.config.to_toml())}</pre></details>"
    )
