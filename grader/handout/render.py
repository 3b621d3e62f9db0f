"""Blocks as HTML: the renderer of markdown-it-py with the course's code, formulas and pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache, partial
from html import escape, unescape
from typing import Any
from xml.etree import ElementTree as ET

from latex2mathml.converter import convert
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from grader.handout import blocks as markdown
from grader.handout import drawing
from grader.handout.blocks import Block
from grader.handout.document import Document, Links
from grader.text import Text

FIGURE = "figure:"
"""The scheme of pictures that a function of the lesson draws."""
LONG = 20
"""Lines; longer code may be split between two pages of a print."""
PLAIN = frozenset({"", "text", "txt", "output"})
"""Languages of code without highlighting."""
_BRACE = re.compile(r"\\.|[{}]")
_ENVIRONMENT = re.compile(r"\\(begin|end)\{([a-zA-Z]+\*?)\}")
_LETTERS = re.compile(r'(?:<mi mathvariant="normal">(\w)</mi>){2,}')
_RAW = re.compile(r">(\\[A-Za-z]*|&|#)<")
_FUNCTION = re.compile(r"(<mi>[a-z]{2,}</mi>)(?=<(?:mi|mn|msub|msup|msubsup|mrow|mfrac)>)")
_ARROW = re.compile(r'<mstyle scriptlevel="0"><mo>(&#x[0-9A-F]+;)</mo></mstyle>')
_PADDED = re.compile(r"<(/?)mpadded[^>]*>")
_FENCES = {"&#x0230A;": "prefix", "&#x0230B;": "postfix", "&#x02308;": "prefix",
           "&#x02309;": "postfix"}  # fmt: skip


class BadFormula(ValueError):
    """A formula that cannot be shown; the message says why."""


class Renderer(RendererHTML):
    """HTML of one document's blocks for one page. `footnoted` says whether it shows footnotes."""

    def __init__(self, document: Document, links: Links, *, footnoted: bool = True) -> None:
        super().__init__()
        self.document, self.links, self._closing = document, links, ""
        parser = markdown.parser()
        self._options = parser.options
        assert isinstance(parser.renderer, RendererHTML)
        own: dict[str, Any] = {
            "fence": self._fence,
            "code_block": self._fence,
            "math_block": self._math_block,
            "math_inline": partial(self._math, display=False),
            "math_inline_double": partial(self._math, display=True),
            "image": lambda tokens, index, *_: self.picture(tokens[index]),
            "footnote_ref": parser.renderer.rules["footnote_ref"] if footnoted else lambda *_: "",
            "link_open": self._link_open,
            "link_close": lambda *_: self._closing,
            "table_open": lambda *_: '<div class="scroll"><table>\n',
            "table_close": lambda *_: "</table></div>\n",
        }
        self.rules = parser.renderer.rules | own

    def block(self, block: Block, *, answers: bool = False) -> Markup:
        """One block. `answers` opens `<details>`."""
        match block.kind:
            case "figure":
                return self._figure(block)
            case "measured":
                return self._measured(block)
            case "details":
                return Markup("<details{}><summary>{}</summary>\n{}</details>\n").format(
                    Markup(" open") if answers else "",
                    self.words(unescape(block.name)),
                    self.blocks(block.inner),
                )
            case "notes" | "slide" | "chapter":
                return self.blocks(block.inner, answers=answers)
            case "html":
                text = re.sub(r"<!--.*?-->", "", block.tokens[0].content, flags=re.DOTALL)
                return Markup(text if text.strip() else "")
            case _:
                return self._tokens(block.tokens)

    def blocks(self, blocks: Sequence[Block], *, answers: bool = False) -> Markup:
        """Blocks one after the other."""
        return Markup("").join(self.block(block, answers=answers) for block in blocks)

    def inline(self, tokens: Sequence[Token]) -> Markup:
        """The tokens of a paragraph."""
        return Markup(self.renderInline(tokens, self._options, {}))

    def heading(self, block: Block) -> Markup:
        """The contents of a heading, without its element."""
        return self.inline(block.tokens[1].children or [])

    def words(self, markdown_text: str) -> Markup:
        """A line of Markdown: a caption, a summary."""
        token = markdown.parser().parseInline(markdown_text, {})[0]
        for child in token.children or []:
            child.meta["line"] = 0
        return self.inline(token.children or [])

    def _tokens(self, tokens: Sequence[Token]) -> Markup:
        return Markup(self.render(tokens, self._options, {}))

    def _figure(self, block: Block) -> Markup:
        image = (block.tokens[1].children or [])[0]
        caption = str(image.attrs.get("title", ""))
        below = Markup("<figcaption>{}</figcaption>").format(self.words(caption)) if caption else ""
        whole = Markup('<figure class="picture"><div class="view">{}</div>{}</figure>\n')
        return whole.format(self.inline([image]), below)

    def _measured(self, block: Block) -> Markup:
        if not self.document.strict:
            return self.blocks(block.inner)
        table, *rest = block.inner or (None,)
        if table is None or table.kind != "table":
            raise self.document.error(block.line, Text("{name} holds no table.", name=block.name))
        words = [self.inline(one.tokens[1].children or []) for one in rest]
        caption = Markup("<figcaption>{}</figcaption>").format(Markup(" ").join(words))
        return Markup('<figure class="measured">{}{}</figure>\n').format(
            self._tokens(table.tokens), caption if words else ""
        )

    def picture(self, token: Token) -> str:
        """The HTML of an image: a drawn figure, inline SVG, or data."""
        line = token.meta.get("line", 0)
        source, alt = str(token.attrs["src"]), token.content.strip()
        if not alt:
            raise self.document.error(
                line,
                Text(
                    "the picture {source} has no text: ![what one would see]({source}).",
                    source=source,
                ),
            )
        if source.startswith(FIGURE):
            return drawing.inline_svg(drawn(self.document, source.removeprefix(FIGURE)), alt)
        path = (self.document.source.path.parent / source).resolve()
        if path.suffix not in drawing.KINDS or not path.is_file():
            kinds = ", ".join(sorted(drawing.KINDS))
            raise self.document.error(
                line,
                Text(
                    "there is no picture {source}; it is a file of {kinds}, or figure:name.",
                    source=source,
                    kinds=kinds,
                ),
            )
        try:
            return drawing.picture(path, alt)
        except ET.ParseError as error:
            raise self.document.error(
                line, Text("{source} is damaged: {error}.", source=source, error=error)
            ) from error

    def _fence(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        """A fenced block as a `<pre>` element; page.css has the colors of the spans."""
        token = tokens[index]
        language = token.info.split()[0] if token.info.strip() else ""
        try:
            body = highlighted(token.content, language)
        except ClassNotFound as error:
            raise self.document.error(
                token.map[0] + 1 if token.map else 0,
                Text(
                    "no colours for the language `{language}`; leave it out, or write `text`.",
                    language=language,
                ),
            ) from error
        kind = "code long" if token.content.count("\n") > LONG else "code"
        return f'<pre class="{kind}"><code>{body}\n</code></pre>\n'

    def _math(self, tokens: Sequence[Token], index: int, *_: object, display: bool) -> str:
        token = tokens[index]
        try:
            return mathml(token.content, display=display)
        except BadFormula as error:
            shown = " ".join(token.content.split())
            raise self.document.error(
                token.map[0] + 1 if token.map else token.meta.get("line", 0),
                Text("the formula `{shown}` cannot be shown: {error}.", shown=shown, error=error),
            ) from error

    def _math_block(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        return f'<div class="formula">{self._math(tokens, index, display=True)}</div>\n'

    def _link_open(self, tokens: Sequence[Token], index: int, *_: object) -> str:
        token = tokens[index]
        line = token.meta.get("line", 0)
        href = self.links.resolve(str(token.attrs["href"]), self.document, line)
        self._closing = "</span>" if href is None else "</a>"  # links do not nest
        return "<span>" if href is None else f'<a href="{escape(href)}">'


def drawn(document: Document, name: str, kind: drawing.Kind = "svg") -> bytes:
    """The picture that the function `name` of the document's lesson draws. Raises SpecError."""
    source = document.source
    return drawing.drawn(drawing.Drawing(source.lesson, source.lang, source.tables), name, kind)


def highlighted(text: str, language: str) -> str:
    """Code with its words in colored spans. Raises ClassNotFound of Pygments."""
    if language in PLAIN:
        return escape(text.rstrip("\n"), quote=False)
    return str(highlight(text, _lexer(language), HtmlFormatter(nowrap=True))).rstrip("\n")


@cache
def _lexer(language: str) -> Lexer:
    return get_lexer_by_name(language, stripnl=False)


@lru_cache(maxsize=4096)
def mathml(latex: str, *, display: bool = False) -> str:
    """A `<math>` element of MathML Core, with the LaTeX as its `alttext`.

    Raises BadFormula, also for errors that latex2mathml ignores.
    """
    _check(latex)
    source = latex.replace("{aligned}", "{split}")
    try:
        result = convert(source, display="block" if display else "inline")
    except Exception as error:  # the library raises a dozen unrelated classes
        raise BadFormula(type(error).__name__) from error
    if found := _RAW.search(result):
        raise BadFormula(f"{found[1]} is unknown, or stands where it means nothing")
    return _core(result, latex)


def _check(latex: str) -> None:
    depth = 0
    for found in _BRACE.finditer(latex):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth < 0:
            raise BadFormula("a } closes nothing")
    if depth:
        raise BadFormula("a { is not closed")
    opened: list[str] = []
    for kind, name in _ENVIRONMENT.findall(latex):
        if kind == "begin":
            opened.append(name)
        elif not opened or opened.pop() != name:
            raise BadFormula(f"\\end{{{name}}} closes nothing")
    if opened:
        raise BadFormula(f"\\begin{{{opened[-1]}}} is not closed")


def _core(result: str, latex: str) -> str:
    """The element in MathML Core, which browsers draw: older attributes become classes."""
    for symbol, form in _FENCES.items():
        result = result.replace(f"<mi>{symbol}</mi>", f'<mo form="{form}">{symbol}</mo>')
    # Stretched bars of a norm differ in height when the second one has an index.
    result = result.replace("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>')
    # Several letters in one <mi> are one word and upright by default.
    result = _LETTERS.sub(
        lambda found: f"<mi>{''.join(re.findall('>(.)<', found[0]))}</mi>", result
    )
    result = _FUNCTION.sub(r'\1<mspace width="0.167em"/>', result)
    result = re.sub(r'columnalign="(left|right|center)"', r'class="\1"', result)
    result = re.sub(r' (?:columnspacing|rowspacing|linebreak|voffset)="[^"]*"', "", result)
    result = _ARROW.sub(r'<mo stretchy="true">\1</mo>', result)
    result = re.sub(r'<mspace depth="[^"]*" />', "", _PADDED.sub(r"<\1mrow>", result))
    alternative = escape(" ".join(latex.split()), quote=True)
    return result.replace("<math ", f'<math alttext="{alternative}" ', 1)
