"""The report's page: its style sheet and the few HTML parts it is made of. Texts are escaped here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from speechq.bench import formatting
from speechq.bench.plots import COLOURS

PIXELS_PER_POINT = 1.2  # the smallest scale at which a drawing that scrolls is shown


def _variables(dark: bool) -> str:
    return " ".join(f"--{role}: {pair[dark]};" for role, pair in COLOURS.items())


STYLE = f"""
:root {{ color-scheme: light dark; {_variables(False)}
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  --serif: Charter, "Bitstream Charter", "Source Serif 4", Cambria, Georgia, "DejaVu Serif", serif; }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(True)} }} }}
* {{ box-sizing: border-box; }}
html {{ background: var(--surface); color: var(--ink); -webkit-text-size-adjust: 100%; }}
body {{ font: 1.0625rem/1.6 var(--serif); max-width: 47rem; margin: 0 auto; padding: 3rem 1.25rem 4rem; }}
h1 {{ font-size: 2rem; line-height: 1.2; margin: 0 0 .35rem; font-weight: 600; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .6rem; font-weight: 600; }}
p {{ margin: .6rem 0; }}
.byline {{ color: var(--muted); font-family: var(--sans); font-size: .875rem; margin: 0 0 1.6rem; }}
.lead {{ font-size: 1.2rem; line-height: 1.55; margin: 1.4rem 0; }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem 1.5rem;
  border-block: 1px solid var(--grid); padding: 1rem 0; margin: 1.6rem 0; font-family: var(--sans); }}
.facts dt {{ color: var(--muted); font-size: .8125rem; }}
.facts dd {{ margin: 0; font-size: 1.0625rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
figure {{ margin: 1.8rem 0 2.2rem; }}
figure svg {{ display: block; width: 100%; height: auto; }}
figure .narrow {{ display: none; }}
.scroll {{ overflow-x: auto; }}
figcaption {{ font: .9rem/1.5 var(--sans); color: var(--muted); margin-top: .7rem; }}
figcaption b {{ color: var(--ink); font-weight: 600; }}
.table figcaption {{ margin: 0 0 .7rem; }}
@media (min-width: 60rem) {{
  body > .table {{ margin-inline: calc((44.5rem - min(100vw - 3rem, 76rem)) / 2); }}
}}
table {{ border-collapse: collapse; font: .875rem/1.4 var(--sans); font-variant-numeric: tabular-nums;
  min-width: 100%; border-bottom: 1px solid var(--muted); }}
th, td {{ padding: .36rem 0 .36rem 1.1rem; text-align: right; white-space: nowrap; vertical-align: baseline;
}} th.text, td.text {{ text-align: left; }} th:first-child, td:first-child {{ padding-left: 0; }} thead th
{{ font-weight: 600; border-block: 1px solid var(--muted); }} tr.group th {{ text-align: left; color:
var(--muted); font-weight: 600; padding-top: .9rem; }} tr.group:not(:first-child) th {{ border-top: 1px
solid var(--muted); }} tr.new td {{ border-top: 1px solid var(--grid); }} .ci {{ color: var(--muted); font-
size: .8125rem; }} td.wrap {{ white-space: normal; overflow-wrap: anywhere; }} code {{ font: .875em/1.5 ui-
monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  overflow-wrap: anywhere; }}
details {{ border-top: 1px solid var(--grid); padding: .7rem 0; font-family: var(--sans); font-size:
.9375rem; }} details:last-of-type {{ border-bottom: 1px solid var(--grid); }} summary {{ cursor: pointer;
font-weight: 600; }} summary:focus-visible {{ outline: 2px solid var(--blue); outline-offset: 3px; }}
details .table, .pairs {{ margin: .8rem 0; }} .missing {{ border-left: 3px solid var(--grid); padding: .1rem
0 .1rem 1rem; color: var(--muted);
  font-family: var(--sans); font-size: .9375rem; }}
.transcript {{ display: grid; grid-template-columns: auto 1fr; gap: .15rem .9rem; margin: 0 0 .2rem; }}
.transcript dd {{ margin: 0; color: var(--ink); overflow-wrap: anywhere; }}
ul {{ padding-left: 1.2rem; }}
li {{ margin: .35rem 0; }}
@media (max-width: 34rem) {{
  body {{ font-size: 1rem; padding: 1.6rem 1rem 3rem; }}
  h1 {{ font-size: 1.6rem; }}
  .lead {{ font-size: 1.1rem; }}
  figure .wide {{ display: none; }}
  figure .narrow {{ display: block; }}
}}
@media print {{ body {{ max-width: none; padding: 0; }} figure, tr {{ break-inside: avoid; }} }}
"""


def document(title: str, body: Sequence[str]) -> str:
    """The whole page; ``body`` are finished parts."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """A section's heading."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph, of a CSS class if ``kind`` is given."""
    attribute = f' class="{kind}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def missing(what: str, command: str) -> str:
    """What is not in the report, and the command that makes it."""
    return f'<p class="missing">{escape(what)} <code>{escape(command)}</code></p>'


def facts(items: Mapping[str, str]) -> str:
    """Short facts side by side."""
    parts = [f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in items.items()]
    return f'<dl class="facts">{"".join(parts)}</dl>' if parts else ""


def figure(number: int, wide: str, narrow: str | None, caption: str, extra: str = "") -> str:
    """A numbered figure. ``extra``: finished HTML above the caption.

    Without ``narrow`` the wide drawing keeps a readable size and scrolls where the window is narrower.
    """
    label = escape(caption.partition(". ")[0])
    if narrow is None:
        least = round(PIXELS_PER_POINT * float(wide.partition('viewBox="0 0 ')[2].split()[0]))
        sized = wide.replace("<svg", f'<svg style="min-width: {least}px"', 1)
        drawing = f'<div class="scroll" tabindex="0">{sized}</div>'
    else:
        drawing = f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
    text = f"<b>Figure {number}.</b> {escape(caption)}"
    drawing = f'<div role="img" aria-label="{label}">{drawing}</div>'
    return f"<figure>{drawing}<figcaption>{extra}{text}</figcaption></figure>"


def error_table(rows: Sequence[Mapping[str, Any]], caption: str = "", counts: bool = False) -> str:
    """The error rates; a thin rule stands where the scheme changes. ``counts`` adds the edit operations."""
    listed = [dict(row) for row in rows]
    header, body = formatting.cells(listed, counts=counts, page=True)
    starts = [index > 0 and listed[index - 1]["scheme"] != row["scheme"] for index, row in enumerate(listed)]
    kinds = ["text" if name in formatting.TEXT_COLUMNS else "" for name in header]
    lines = []
    settings = [formatting.setting(row) for row in listed]
    for index, (row, start) in enumerate(zip(body, starts, strict=True)):
        if len(set(settings)) > 1 and (index == 0 or settings[index] != settings[index - 1]):
            lines.append(f'<tr class="group"><th colspan="{len(header)}">{escape(settings[index])}</th></tr>')
            start = False
        lines.append(f"<tr{_kind('new' if start else '')}>{_cells(row, kinds)}</tr>")
    # The caption stands outside of what scrolls, so that it stays readable in a narrow window.
    return _table(header, kinds, lines, f"<figcaption>{caption}</figcaption>" if caption else "")


def plain_table(header: Sequence[str], body: Sequence[Sequence[str]], caption: str) -> str:
    """A table of numbers with a caption; columns of text are those of ``formatting.TEXT_COLUMNS``."""
    kinds = ["text" if name in formatting.TEXT_COLUMNS else "" for name in header]
    lines = [f"<tr>{_cells(row, kinds)}</tr>" for row in body]
    return _table(header, kinds, lines, f"<figcaption>{escape(caption)}</figcaption>")


def _cells(row: Sequence[str], kinds: Sequence[str]) -> str:
    return "".join(
        f"<td{_kind(kind)}>{_cell(cell, kind)}</td>" for cell, kind in zip(row, kinds, strict=True)
    )


def _table(header: Sequence[str], kinds: Sequence[str], lines: Sequence[str], title: str) -> str:
    columns = zip(header, kinds, strict=True)
    names = "".join(f'<th scope="col"{_kind(kind)}>{escape(name)}</th>' for name, kind in columns)
    inner = f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<figure class="table">{title}<div class="scroll" tabindex="0">{inner}</div></figure>'


def pairs(items: Mapping[str, Any]) -> str:
    """Two columns, name and value; nested mappings become dotted names."""
    cells = ((escape(name), escape(value)) for name, value in flat(items))
    rows = "".join(
        f'<tr><td class="text"><code>{name}</code></td><td class="text wrap">{value}</td></tr>'
        for name, value in cells
    )
    return f'<div class="scroll"><table class="pairs"><tbody>{rows}</tbody></table></div>'


def details(summary: str, content: str) -> str:
    """A part that opens on a click; ``content`` is finished HTML."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def bullets(items: Sequence[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def flat(items: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """``{"a": {"b": 1}}`` as ``[("a.b", "1")]``, in the order given."""
    found: list[tuple[str, str]] = []
    for name, value in items.items():
        if isinstance(value, Mapping) and value:
            found += flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{prefix}{name}", ", ".join(map(str, value)) or formatting.NONE))
        else:
            found.append((f"{prefix}{name}", formatting.NONE if value is None or value == {} else str(value)))
    return found


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _cell(text: str, kind: str) -> str:
    value, bracket, rest = text.partition(" (")
    if kind or not bracket:
        return escape(text)
    return f'{escape(value)} <span class="ci">({escape(rest)}</span>'
