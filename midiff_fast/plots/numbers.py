"""Numbers in text that lead back to where they are in analysis.json."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

from .table import Path, look_up


def path_text(path: Path) -> str:
    """A path as one writes it: ``members[0].final.Q_cor``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def symbol(text: str) -> str:
    """HTML of a text in which Q_cor, D_in, Q_max … have their indices set low."""
    return re.sub(r"\b([QD])_([a-z]+)\b", r"\1<sub>\2</sub>", escape(text))


@dataclass(frozen=True)
class Numbers:
    """Prints values of an analysis; as HTML each carries its full value and its place in the file.

    Args:
        analysis: the content of analysis.json.
        html: mark numbers up; plain text otherwise.
    """

    analysis: dict[str, Any]
    html: bool = True

    def value(self, *path: str | int) -> Any:
        """What is at a place."""
        return look_up(self.analysis, path)

    def symbol(self, name: str) -> str:
        """A measure's name, ``Q_cor``, with its index set low in HTML."""
        return symbol(name) if self.html else name

    def show(self, form: str, *path: str | int) -> str:
        """The value at a place, by a format such as ``{:.3f}``; a dash for none."""
        value = self.value(*path)
        if value is None:
            return "–"
        text = form.format(value).replace("-", "−")
        if not self.html:
            return text
        place = escape(f"analysis.json: {path_text(path)}", quote=True)
        return f'<data value="{value!r}" title="{place}">{text}</data>'
