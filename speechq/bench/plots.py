"""How the figures look, and how a matplotlib figure becomes an SVG that fits into one HTML file.

The same input gives the same bytes: no date, ids derived from the figure's name. Colours are drawn from a
small table of roles; inside the page each becomes a CSS variable, so one drawing serves the light and the
dark page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from speechq.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# role: (on white, on dark). Series colours follow Okabe and Ito (told apart by colour-blind readers), made
# darker or lighter until thin lines have a contrast of at least 3 to 1; markers and dashes differ as well.
COLOURS = {
    "ink": ("#1f2329", "#e7e9ec"),
    "muted": ("#666e78", "#a0a8b2"),
    "grid": ("#dfe2e6", "#333941"),
    "surface": ("#fffffe", "#15181c"),
    "blue": ("#0065ad", "#62b5f2"),
    "orange": ("#c14f08", "#f3965e"),
    "green": ("#007a5e", "#4cc3a4"),
    "purple": ("#9a4488", "#dc90cc"),
    "ochre": ("#8a6900", "#dcb743"),
}
SERIES = ("blue", "green", "purple", "ochre")  # orange is kept for rounding without retraining
MARKERS = ("o", "D", "^", "v", "P", "X")
DASHES = ("-", (0, (5, 1.5)), (0, (2, 1.2)), (0, (6, 1.5, 1.5, 1.5)))


def colour(role: str) -> str:
    """The hexadecimal colour that stands for a role while drawing."""
    return COLOURS[role][0]


@contextmanager
def style(text_as_paths: bool = False) -> Iterator[None]:
    """The settings every figure is drawn and saved with; ConfigError if matplotlib is missing."""
    try:
        import matplotlib
    except ImportError as error:
        raise ConfigError(
            "the report draws with matplotlib, which is not installed; run: pip install 'speechq[train]'"
        ) from error
    ink, muted = colour("ink"), colour("muted")
    defaults: Any = matplotlib.rcParamsDefault
    settings: Any = {
        **defaults,
        "svg.fonttype": "path" if text_as_paths else "none",
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 9,
        "axes.titlelocation": "left",
        "axes.labelsize": 9,
        "axes.labelcolor": ink,
        "axes.edgecolor": muted,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "figure.dpi": 72,
        "grid.color": colour("grid"),
        "grid.linewidth": 0.7,
        "text.color": ink,
        "text.parse_math": False,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "legend.handlelength": 2.6,
        "lines.linewidth": 1.6,
        "lines.markersize": 5.5,
        "errorbar.capsize": 0,
    }
    settings = {key: value for key, value in settings.items() if not key.startswith("backend")}
    with matplotlib.rc_context(settings):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that no window or global state knows of. Call within ``style``."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure, name: str, standalone: bool = False) -> str:
    """The figure as SVG. Call within ``style``.

    Parameters
    ----------
    name : letters, digits and ``-``; becomes part of every id, so it must be unique within a page
    standalone : a file of its own with a white background, instead of a fragment for the page
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
        background = "#ffffff" if standalone else "none"
        figure.savefig(stream, format="svg", metadata=nothing, facecolor=background)
    text = stream.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    text = re.sub(r'href="#', f'href="#{name}-', text)
    text = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    return text if standalone else _for_page(text)


def _for_page(text: str) -> str:
    """Without prologue and fixed size, with the page's font and its colour variables."""
    text = text[text.index("<svg") :]
    head, rest = text.split(">", 1)
    head = re.sub(r' (width|height|version|xmlns(:xlink)?)="[^"]*"', "", head)
    text = f'{head} aria-hidden="true">{rest}'
    text = text.replace("xlink:href=", "href=")
    text = re.sub(r"(font: [^;\"]*?px) [^;\"]*", r"\1 var(--sans)", text)
    for role, (light, _) in COLOURS.items():
        text = re.sub(re.escape(light), f"var(--{role})", text, flags=re.IGNORECASE)
    return text
