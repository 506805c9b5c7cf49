"""A review as one HTML file that needs nothing else.

Styles and pictures are in it, no script runs, no host is asked.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape

from flows.reviewing.pages.page import (
    Block,
    Items,
    Line,
    Page,
    Paragraph,
    Picture,
    Section,
    Table,
    Text,
    spans,
)

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
WORD = 30
"""Characters of a cell that is not broken into lines."""
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dde2e8; --paper: #ffffff; --page: #f4f6f8; --good: #0b7a4b;
  --bad: #b3261e; --goodback: #e4f4ec; --badback: #fbe9e7; --code: #eef1f4; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe5ec; --soft: #97a3b2; --line: #303a46; --paper: #171d25; --page: #0f141a;
  --good: #5fd39b; --bad: #ff8a80; --goodback: #12301f; --badback: #3a1a18; --code: #232c37; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 14px; }
h2 { font-size: 20px; margin: 0 0 12px; }
h3 { font-size: 16px; margin: 22px 0 8px; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px; margin: 18px 0; }
p { margin: 8px 0; max-width: 82ch; }
ul { margin: 8px 0; padding-left: 22px; }
.wide { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; font-size: 12.5px; overflow-wrap: normal; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; padding-left: 12px; }
.word { white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
code { background: var(--code); border-radius: 4px; padding: 1px 5px; font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace;
  unicode-bidi: isolate; }
.words { unicode-bidi: isolate; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; } .muted { color: var(--soft); }
h2 .good, h2 .bad, h2 .muted { font-size: 14px; border-radius: 99px; padding: 3px 12px; margin-left: 6px; vertical-align: 2px; }
h2 .good { background: var(--goodback); } h2 .bad { background: var(--badback); } h2 .muted { background: var(--code); }
code.good { background: var(--goodback); } code.bad { background: var(--badback); }
details { border-top: 1px solid var(--line); margin-top: 14px; padding-top: 10px; }
summary { cursor: pointer; font-weight: 600; }
img { max-width: 100%; height: auto; margin: 12px 0; vertical-align: top; }
@media (min-width: 900px) { .half { width: 49.5%; } }
h1 .words, h1 code, h2 code { font: inherit; background: none; padding: 0; }
"""  # noqa: E501


def written(page: Page) -> str:
    title = "".join(span.text for span in spans(page.title))
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><title>{escape(title)}</title><style>{STYLE}</style>'
    )
    short = "".join(_blocks(page.short))
    chapters = "".join(
        f"<section><h2>{_line(one.title)}</h2>{''.join(_blocks(one.blocks))}</section>"
        for one in page.chapters
    )
    body = f"<main><h1>{_line(page.title)}</h1>{short}{chapters}</main>"
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _blocks(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Paragraph(line):
                yield f"<p>{_line(line)}</p>\n"
            case Items(lines):
                yield f"<ul>{''.join(f'<li>{_line(one)}</li>' for one in lines)}</ul>\n"
            case Table(heads, rows, left):
                yield f"<div class='wide'><table><thead>{_row('th', heads, left)}</thead>"
                yield f"<tbody>{''.join(_row('td', row, left) for row in rows)}</tbody></table></div>\n"
            case Picture(_, alt, png, half):
                source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
                yield f'<img{" class=half" if half else ""} alt="{escape(alt)}" src="{source}">\n'
            case Section(title, parts, aside, closed):
                heading = (
                    f"<details{'' if closed else ' open'}><summary>{_line(title)}</summary>"
                    if aside
                    else f"<h3>{_line(title)}</h3>"
                )
                yield f"{heading}{''.join(_blocks(parts))}{'</details>' if aside else ''}\n"


def _row(tag: str, cells: Sequence[Line], left: int) -> str:
    shapes = [
        ("" if _length(cell) > WORD else " class=word") if at < left else " class=figure"
        for at, cell in enumerate(cells)
    ]
    told = (f"<{tag}{shape}>{_line(cell)}</{tag}>" for shape, cell in zip(shapes, cells, strict=True))
    return f"<tr>{''.join(told)}</tr>"


def _length(line: Line) -> int:
    return sum(len(span.text) for span in spans(line))


def _line(line: Line) -> str:
    return "".join(map(_span, spans(line)))


def _span(span: Text) -> str:
    if not span.text:
        return ""
    text, shown = escape(span.text), f' class="{span.tone}"' if span.tone not in ("", "strong") else ""
    if span.foreign:
        return (
            f"<code{shown}>{text}</code>"
            if " " not in text
            else f'<span class="words {span.tone}">{text}</span>'
        )
    if span.tone == "strong":
        return f"<b>{text}</b>"
    return f"<span{shown}>{text}</span>" if shown else text
