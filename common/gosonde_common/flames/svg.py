"""A flame graph as one SVG file that needs nothing else: search, zoom and titles are in it."""

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gosonde_common import foreign
from gosonde_common.flames.colours import PAINTS, ColourBy, Paint, by_change
from gosonde_common.flames.tree import Call, Tree

#: In pixels: the picture, its margin, a row of calls, what stands above the rows, and a character at most.
WIDTH: Final = 1200
MARGIN: Final = 10
ROW: Final = 18
TOP: Final = 80
CHARACTER: Final = 7.3
#: Characters of a name, and states of a call that its title has.
MOST_NAME: Final = 300
STATES: Final = 5
LEGENDS: Final = 8
SCRIPT: Final = Path(__file__).with_name("flames.js")
STYLE: Final = """
text { font: 12px monospace; fill: #000; pointer-events: none }
.call { cursor: pointer; outline: none }
.call rect { stroke: #fff; stroke-width: 0.5 }
.call:hover rect, .call:focus rect { stroke: #000; stroke-width: 2 }
.found rect { fill: #d68cff }
.above { opacity: 0.5 }
#search { width: 100%; box-sizing: border-box }
svg { color-scheme: light dark }
@media (prefers-color-scheme: dark) {
#paper { fill: #0d1117 }
svg > text, .means text { fill: #e6edf3 }
.call rect { stroke: #0d1117 }
.call:hover rect, .call:focus rect { stroke: #1f6feb }
}
"""
#: (what a call is called in the picture, what is said of it, further attributes of its element), of call, name, total.
Text = Callable[[Call, str, int], tuple[str, str, str]]


def flame_graph(tree: Tree, title: str, colour_by: ColourBy) -> Iterator[str]:
    """Pieces of the document. The outermost calls are at the top; a call is as wide as its goroutines are many.

    Names are foreign: what a terminal or XML would not show is made visible, and no name is markup.
    """
    return _document(tree, title, PAINTS[colour_by], _now)


def flame_graph_of_change(tree: Tree, title: str) -> Iterator[str]:
    """As `flame_graph`, of a tree by `difference`: red where goroutines are more, blue where they are fewer.

    A call is as wide as there were goroutines in it before or are now, whichever are more (see Call.width).
    """
    return _document(tree, title, by_change, _changed)


def _document(tree: Tree, title: str, paint: Paint, text: Text) -> Iterator[str]:
    placed = list(tree.root.placed())
    height = TOP + (max(depth for _, _, depth in placed) + 1) * ROW + MARGIN
    total = max(tree.root.width, 1)
    legend = dict(paint(call, total)[::-1] for call, _, _ in placed)
    yield _head(height, title, tree)
    yield from _legend(legend)
    yield f'<g id="calls" data-total="{total}">\n'
    for call, left, depth in placed:
        yield _call(call, left, depth, total, colour=paint(call, total)[0], text=text)
    yield f"</g>\n<script><![CDATA[{inline_texts()[0]}]]></script>\n</svg>\n"


def inline_texts() -> tuple[str, str]:
    """The whole text of its script and of its style, for a policy that allows just these."""
    return f"\n{SCRIPT.read_text()}", STYLE


def _head(height: int, title: str, tree: Tree) -> str:
    cut = f"; of {tree.cut:,} the innermost calls are left out" if tree.cut else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="100%">\n'
        f"<title>{_escaped(title)}</title>\n<style>{STYLE}</style>\n"
        f'<rect id="paper" width="{WIDTH}" height="{height}" fill="#fff"/>\n'
        f'<text x="{MARGIN}" y="20">{_escaped(title)}{cut}</text>\n'
        f'<text x="{MARGIN}" y="62" id="says">click or Enter zooms, Escape shows all, / searches, arrows move</text>\n'
        f'<foreignObject id="box" x="{WIDTH - MARGIN - 280}" y="28" width="280" height="26">'
        '<input xmlns="http://www.w3.org/1999/xhtml" id="search" type="search" aria-label="Search functions" '
        'placeholder="search functions ( / )"/></foreignObject>\n'
    )


def _legend(legend: dict[str, str]) -> Iterator[str]:
    at = MARGIN
    for means, colour in list(legend.items())[:LEGENDS]:
        text = foreign.shown(means, 24)
        width = 32 + int(len(text) * CHARACTER)
        yield (
            f'<g class="means" data-width="{width}" transform="translate({at},32)">'
            f'<rect width="12" height="12" fill="{colour}"/><text x="16" y="11">{_escaped(text)}</text></g>\n'
        )
        at += width


def _call(call: Call, left: int, depth: int, total: int, *, colour: str, text: Text) -> str:
    scale = (WIDTH - 2 * MARGIN) / total
    name = foreign.shown(call.name, MOST_NAME)
    label, title, more = text(call, name, total)
    width, x, y = call.width * scale, MARGIN + left * scale, TOP + depth * ROW
    room = int((width - 6) / CHARACTER)
    label = label if len(label) <= room else f"{label[: room - 1]}…" if room > 2 else ""
    return (
        f'<g class="call" tabindex="{0 if depth == 0 else -1}" role="button" data-name="{_escaped(name)}" '
        f'data-left="{left}" data-goroutines="{call.goroutines}"{more} data-depth="{depth}">'
        f"<title>{_escaped(title)}</title>"
        f'<rect x="{x:.4f}" y="{y}" width="{width:.4f}" height="{ROW - 1}" fill="{colour}"/>'
        f'<text x="{x + 3:.4f}" y="{y + 13}">{_escaped(label)}</text></g>\n'
    )


def _now(call: Call, name: str, total: int) -> tuple[str, str, str]:
    most = [(state, count) for state, count in call.states.most_common(STATES) if state]
    states = f": {', '.join(f'{count:,} {foreign.shown(state, 60)}' for state, count in most)}" if most else ""
    waited = "" if call.longest_ns is None else f"; longest wait {call.longest_ns // 1_000_000_000:,} s"
    return name, f"{name}: {call.goroutines:,} goroutines ({call.goroutines / total:.1%}){states}{waited}", ""


def _changed(call: Call, name: str, _total: int) -> tuple[str, str, str]:
    change = f"{call.goroutines - call.before:+,}"
    title = f"{name}: {call.goroutines:,} goroutines, {call.before:,} before ({change})"
    more = f' data-width="{call.width}" data-before="{call.before}" data-change="{change}"'
    return f"{change} {name}", title, more


def _escaped(text: str) -> str:
    return html.escape(foreign.shown(text))
