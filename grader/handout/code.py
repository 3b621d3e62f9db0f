"""Source code as HTML, coloured by Pygments; the colours are handout.css's, light and dark."""

from __future__ import annotations

from functools import cache
from html import escape

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONG = 20
"""Lines; longer code may go on on the next page of a print."""
PLAIN = frozenset({"", "text", "txt", "output"})


class UnknownLanguage(ValueError):
    """The language of a fenced block is none that can be coloured."""


def code(text: str, language: str) -> str:
    """A `<pre>` element. Raises UnknownLanguage."""
    if language in PLAIN:
        body = escape(text.rstrip("\n"), quote=False)
    else:
        body = highlight(text, _lexer(language), HtmlFormatter(nowrap=True)).rstrip("\n")
    kind = "code long" if text.count("\n") > LONG else "code"
    return f'<pre class="{kind}"><code>{body}\n</code></pre>\n'


@cache
def _lexer(language: str) -> Lexer:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound as error:
        raise UnknownLanguage(language) from error
