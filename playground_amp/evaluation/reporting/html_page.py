"""Pages of HTML that open anywhere: one file, pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

from matplotlib.figure import Figure

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
h3{margin:.6rem 0 0}img,video{max-width:100%}
table{border-collapse:collapse}td,th{padding:.2rem 1rem .2rem 0;text-align:left}
pre{background:#f4f4f4;padding:1rem;overflow:auto}h1{margin-bottom:0}.grid{display:grid;gap:1rem;
grid-template-columns:repeat(auto-fill,minmax(20rem,1fr))}.grid :first-child{grid-column:1/-1}"""


def page(title: str, parts: Sequence[str], style: str = "") -> str:
    """A whole page of HTML from the parts of its body; `style` is CSS besides that of every report."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
    return f"{head}<style>{STYLE}{style}</style><body>{''.join(parts)}</body></html>"


def drawn(figure: Figure, alt: str) -> str:
    """A figure as an image within the page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return image(buffer.getvalue(), alt)


def image(png: bytes, alt: str) -> str:
    """A PNG within the page."""
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
