"""LaTeX to MathML, by latex2mathml; what it lets pass in silence is refused here.

Browsers draw MathML Core: attributes of older MathML that they leave out become classes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

from latex2mathml.converter import convert

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


@lru_cache(maxsize=4096)
def mathml(latex: str, *, display: bool = False) -> str:
    """A `<math>` element, with the LaTeX as its `alttext`. Raises BadFormula."""
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
    """The same element in the words of MathML Core."""
    for symbol, form in _FENCES.items():
        result = result.replace(f"<mi>{symbol}</mi>", f'<mo form="{form}">{symbol}</mo>')
    # The bars of a norm would each grow to what stands between them, the second one with its index.
    result = result.replace("<mo>&#x02016;</mo>", '<mo stretchy="false">&#x02016;</mo>')
    result = _LETTERS.sub(_word, result)
    result = _FUNCTION.sub(r'\1<mspace width="0.167em"/>', result)
    result = re.sub(r'columnalign="(left|right|center)"', r'class="\1"', result)
    result = re.sub(r' (?:columnspacing|rowspacing|linebreak|voffset)="[^"]*"', "", result)
    result = _ARROW.sub(r'<mo stretchy="true">\1</mo>', result)
    result = re.sub(r'<mspace depth="[^"]*" />', "", _PADDED.sub(r"<\1mrow>", result))
    alternative = escape(" ".join(latex.split()), quote=True)
    return result.replace("<math ", f'<math alttext="{alternative}" ', 1)


def _word(found: re.Match[str]) -> str:
    # Letters of a word belong together; more than one in an <mi> stand upright by themselves.
    return f"<mi>{''.join(re.findall('>(.)<', found[0]))}</mi>"
