"""A page as PDF, printed by headless Chromium: outline, tags, page numbers, embedded fonts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from grader.handout.cache import cached
from grader.text.errors import Fault, UsageError

ENVIRONMENT = "GRADER_CHROMIUM"
SECONDS = 120
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
          "microsoft-edge", "msedge")  # fmt: skip
_APPLICATIONS = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": (
        r"C:\Program Files\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
        r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    ),
}
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
    "--export-tagged-pdf",
    "--virtual-time-budget=5000",
)
_FILES = {"regular": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", "mono": "DejaVuSansMono.ttf"}
_FONTS = Path(__file__).parent / "templates" / "fonts.css"


def engine() -> Path | None:
    """The program that prints: GRADER_CHROMIUM, or a Chromium, Chrome or Edge that is installed."""
    if given := os.environ.get(ENVIRONMENT):
        return Path(given)
    programs = [*map(shutil.which, _NAMES), *_APPLICATIONS.get(sys.platform, ())]
    return next((Path(one) for one in programs if one and Path(one).is_file()), None)


def require() -> Path:
    """The program that prints. Raises UsageError saying how to get one."""
    found = engine()
    if found is not None and found.is_file():
        return found
    named = f" ({ENVIRONMENT}={found})" if found else ""
    raise UsageError(
        "PDF needs Chromium, Chrome or Edge, and none was found{named}. Install one (Debian, "
        "Ubuntu: apt install chromium), or name its program in GRADER_CHROMIUM.",
        named=named,
    )


def pdf(page: str, name: str) -> bytes:
    """The page as PDF, cached until it changes.

    Raises UsageError without a program that prints, Fault when that program fails.
    """
    program = require()
    made_from = [page, str(program), str(program.stat().st_mtime_ns)]
    return cached(f"pdf/{name}.pdf", made_from, lambda: _printed(page, program))


def _printed(page: str, program: Path) -> bytes:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        source, target = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(_with_fonts(page), encoding="utf-8")
        # Chromium's sandbox does not start for root, and these pages are our own.
        alone = ["--no-sandbox"] if sys.platform == "linux" else []
        command = [str(program), *_FLAGS, *alone, f"--user-data-dir={folder}/profile",
                   f"--print-to-pdf={target}", source.as_uri()]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=SECONDS,
                check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _failed(program, str(error)) from error
        if not target.is_file():
            raise _failed(program, done.stderr.strip()[-300:])
        return target.read_bytes()


def _with_fonts(page: str) -> str:
    """The page with the fonts of matplotlib, which have Cyrillic letters on every machine."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    style = _FONTS.read_text(encoding="utf-8")
    for name, file in _FILES.items():
        style = style.replace(f"{{{name}}}", (fonts / file).as_uri())
    allowed = page.replace("img-src data:;", "img-src data:; font-src file:;", 1)
    return allowed.replace("</head>", f"<style>\n{style}</style></head>", 1)


def _failed(program: Path, reason: str) -> Fault:
    return Fault("{program} printed nothing: {reason}", program=program, reason=reason)
