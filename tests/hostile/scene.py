"""What a hostile class needs: its submissions, secrets to steal, a process to kill.

After every hostile submission comes an honest one, graded by the same worker.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
import pytest

from tests.hostile import cases, models, notebooks, places

TOKEN = "CANARY-"
"""Every secret begins with it; none may be found in anything that grading made."""
SEED = f"{TOKEN}environment-always-the-same"
"""The hidden seed of all scenes: with few hidden clips an honest model would now and then miss the
gate by chance. Their speech is made once."""
MARK = "left-behind"
WALL_SECONDS = 2.0
HOST_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/", "/usr/lib/python3")
SHARED_MEMORY_KEY = 0x1EF7BE41
HONEST = "honest"
NOBODY = 65534
User = Literal["root", "user", "contained"]
"""`contained` has no user namespaces, as in most containers: nothing can be mounted there."""
_NO_NAMESPACES = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
REPOSITORY = cases.HERE.parents[1]


@dataclass
class Scene:
    """Folders below one root, all of one user."""

    root: Path
    as_user: list[str]
    """What a command is started with to be that user."""
    bystander: subprocess.Popen
    server: Visitors
    python: Path
    """An interpreter that this user may execute, and that has what we need."""
    before: dict[str, str] = field(default_factory=dict)
    """Fingerprints of what must not change, by path."""

    def folder(self, name: str) -> Path:
        return self.root / name

    @property
    def course(self) -> Path:
        return self.root / "course"

    @property
    def classroom(self) -> Path:
        return self.root / "class"

    def known(self, own: Path) -> dict[str, object]:
        """What an attacker is told."""
        return {
            "mark": self.root.name,
            "home": str(self.root / "home"),
            "secret": str(self.root / "home" / ".ssh" / "id_rsa"),
            "seed": str(self.root / "home" / "config" / "small-fast-nets" / "hidden_seed"),
            "course": str(self.course),
            "repository": str(REPOSITORY),
            "autograder": str(self.course / "assignments" / "spread" / "autograder.py"),
            "reference": str(self.course / "reference_solutions" / "spread" / "solution.py"),
            "class": str(self.classroom),
            "neighbour": str(self.classroom / "zzz-neighbour" / "solution.py"),
            "self": str(own),
            "out": str(self.root / "out"),
            "cache": str(self.root / "cache"),
            "cached": str(self.root / "cache" / "canary.npy"),
            "bystander": self.bystander.pid,
            "port": self.server.port,
            "abstract": self.server.abstract,
            "host": [],
        }

    def environment(self, level: str = "") -> dict[str, str]:
        kept = {n: os.environ[n] for n in ("PATH", "LANG", "PYTHONPATH") if n in os.environ}
        if str(self.python) != sys.executable:
            installed = [path for path in sys.path if "site-packages" in path]
            kept["PYTHONPATH"] = os.pathsep.join([*installed, str(REPOSITORY)])
        return kept | {
            "GRADER_COURSE": str(self.course),
            "GRADER_CACHE": str(self.root / "cache"),
            "GRADER_HIDDEN_SEED": SEED,
            "GRADER_ISOLATION": level,
            "HOME": str(self.root / "home"),
            "XDG_CONFIG_HOME": str(self.root / "home" / "config"),
            "TMPDIR": str(self.root / "tmp"),
            "MPLCONFIGDIR": str(self.root / "fonts"),
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str, level: str = "") -> dict:
        """Run a command as the scene's user; the report of launch.py."""
        done = subprocess.run(
            [*self.as_user, str(self.python), str(cases.HERE / "launch.py"),
             str(WALL_SECONDS + 5), *command],
            env=self.environment(level), cwd=self.root / "home",
            capture_output=True, text=True, timeout=3600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def bystander_is_well(self) -> bool:
        """Alive, and with the limits, priority and processors that it began with."""
        if self.bystander.poll() is not None:
            return False
        process, ours = psutil.Process(self.bystander.pid), psutil.Process()
        limits = [Path(f"/proc/{p.pid}/limits").read_text("ascii") for p in (process, ours)]
        return (
            process.status() == psutil.STATUS_SLEEPING
            and process.nice() == ours.nice()
            and process.cpu_affinity() == ours.cpu_affinity()
            and limits[0] == limits[1]
        )

    # What is there -----------------------------------------------------------------------------

    def remember(self) -> None:
        self.before = self._fingerprints()

    def changes(self) -> list[str]:
        """Canaries, submissions and lessons that are not what they were, and new files."""
        now = self._fingerprints()
        paths = self.before.keys() | now.keys()
        return sorted(path for path in paths if self.before.get(path) != now.get(path))

    def left_files(self) -> list[str]:
        """Files that attacks left anywhere, and temporary files that grading left."""
        # .ses is ONNX Runtime's own, written wherever it is imported.
        found = [str(path) for path in (self.root / "tmp").iterdir() if path.name != ".ses"]
        for folder in (*HOST_FOLDERS, *(p for p in sys.path if "site-packages" in p)):
            with contextlib.suppress(OSError):
                found += [str(path) for path in Path(folder).glob(f"{MARK}*")]
        found += [str(path) for path in self.root.rglob(f"{MARK}*")]
        for kind in ("shm", "sem", "msg"):
            listed = Path("/proc/sysvipc", kind).read_text("ascii").split()
            found += [kind] if str(SHARED_MEMORY_KEY) in listed else []
        return found

    def leaks(self) -> list[str]:
        """Files that grading wrote in which a secret can be read."""
        return [
            str(path)
            for path in (self.root / "out").rglob("*")
            if path.is_file() and TOKEN.encode() in path.read_bytes()
        ]

    def _fingerprints(self) -> dict[str, str]:
        found = {}
        for top in ("home", "course", "class", "cache/canary.npy"):
            for path in sorted([self.root / top, *(self.root / top).rglob("*")]):
                if "__pycache__" in path.parts or path.suffix == ".lock":
                    continue
                found[str(path.relative_to(self.root))] = _fingerprint(path)
        return found


@contextlib.contextmanager
def staged(small_course: Path, cache: Path, user: User) -> Iterator[Scene]:
    """A scene with its secrets and no submissions yet."""
    as_user = _becoming(user)
    python = _interpreter(as_user)
    root = Path(tempfile.mkdtemp(prefix="hostile-"))
    bystander = subprocess.Popen(
        [*(as_user if user == "user" else []), "sleep", "3600"],
        env={"CANARY": f"{TOKEN}bystander"},
        start_new_session=True,
    )
    server = Visitors()
    try:
        _furnish(root, small_course, cache)
        yield Scene(root, as_user, bystander, server, python)
    finally:
        bystander.kill()
        bystander.wait()
        server.close()
        _delete(root)


def _becoming(user: User) -> list[str]:
    """What to start a command with. Skips the test where this user cannot be had."""
    as_root = os.geteuid() == 0
    if user == "root" and not as_root:
        pytest.skip("needs root")
    if user == "user" and as_root:
        if shutil.which("setpriv") is None:
            pytest.skip("needs setpriv (util-linux) to become an ordinary user")
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if user == "contained":
        become = ["unshare", "--user", "--map-root-user", "sh", "-c", _NO_NAMESPACES, "sh"]
        if subprocess.run([*become, "true"], capture_output=True, check=False).returncode != 0:
            pytest.skip("needs unshare (util-linux) and user namespaces, to switch them off")
        return become
    return []


def _interpreter(as_user: list[str]) -> Path:
    """This interpreter, or the system's of the same version where the user may not execute it
    (one in root's home folder). Skips the test where there is neither."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (Path(sys.executable), Path("/usr/bin", name), Path("/usr/local/bin", name)):
        # From a shell of that user: setpriv itself would still find it with root's eyes.
        command = [*as_user, "sh", "-c", '"$0" -c ""', str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"{' '.join(as_user)} may execute neither {sys.executable} nor a system {name}")


def _furnish(root: Path, small_course: Path, cache: Path) -> None:
    root.chmod(0o755)
    for name in ("home", "class", "out", "tmp", "fonts"):
        (root / name).mkdir()
    shutil.copytree(small_course, root / "course")
    shutil.copytree(cases.HERE / "course", root / "course", dirs_exist_ok=True)
    _quicken(root / "course" / "assignments" / "distillation" / "lesson.toml")
    (root / "cache").mkdir()
    with contextlib.suppress(FileNotFoundError):  # nothing is made yet
        shutil.copytree(cache / "data", root / "cache" / "data")
    for name, what in (
        ("home/.ssh/id_rsa", "key"),
        ("home/config/small-fast-nets/hidden_seed", "seed"),
        ("class/zzz-neighbour/solution.py", "neighbour"),
        ("cache/canary.npy", "cache"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # The seed is one that an honest model passes the gate with, as in `environment`.
        rest = "always-the-same" if what == "seed" else secrets.token_hex(8)
        path.write_text(f"# {TOKEN}{what}-{rest}\n", encoding="utf-8")
    for tree, name in (("assignments", "autograder.py"), ("reference_solutions", "solution.py")):
        with (root / "course" / tree / "spread" / name).open("a", encoding="utf-8") as file:
            file.write(f"\n# {TOKEN}{tree}\n")


def _quicken(lesson: Path) -> None:
    """Limits of a few seconds, so that what has to be stopped is stopped soon."""
    text = lesson.read_text(encoding="utf-8")
    for old, new in (
        ("wall_seconds = 180.0", "wall_seconds = 8.0"),
        ("cpu_seconds = 180.0", "cpu_seconds = 2.0"),
        ("memory_bytes = 2147483648", "memory_bytes = 805306368"),
        ("single_clips = 40", "single_clips = 20"),
    ):
        assert old in text
        text = text.replace(old, new)
    lesson.write_text(text, encoding="utf-8")


# Submissions ------------------------------------------------------------------------------------


def fill(scene: Scene, attacks: list[cases.Attack]) -> None:
    """The class: after each attack an honest submission of its kind."""
    for number, (kind, row) in enumerate(attacks, 1):
        attack, honest = _MAKERS[kind]
        attack(scene, row.name, scene.classroom / f"{number:03d}a-{row.name}")
        honest(scene.classroom / f"{number:03d}b-{HONEST}")
    if "setpriv" in scene.as_user:
        _give_away(scene)
    scene.remember()


def add_attack(scene: Scene, name: str) -> Path:
    """One attack alone, in the class."""
    place = scene.classroom / f"001a-{name}"
    _code(scene, name, place)
    return place


def _code(scene: Scene, name: str, place: Path) -> None:
    shutil.copytree(cases.CODE / name, place, ignore=shutil.ignore_patterns("__pycache__"))
    _arm(scene, place)


def _notebook(scene: Scene, name: str, place: Path) -> None:
    place.mkdir()
    _arm(scene, place)
    notebooks.build(name, place)


def _arm(scene: Scene, place: Path) -> None:
    """What attackers share and are told."""
    for shared in ("attack.py", "outside.py"):
        shutil.copy(cases.CODE / shared, place / shared)
    known = json.dumps(scene.known(place))
    (place / "known.json").write_text(known, encoding="utf-8")


def _model(scene: Scene, name: str, place: Path) -> None:
    _honest_model(place)
    (place / "model.onnx").write_bytes(models.build(name))


def _honest_code(place: Path) -> None:
    shutil.copytree(cases.HERE / "course" / "reference_solutions" / "spread", place)


def _honest_model(place: Path) -> None:
    place.mkdir()
    shutil.copy(models.REFERENCE, place)
    shutil.copy(models.REFERENCE.with_name("experiments.csv"), place)


_MAKERS: dict[cases.Kind, tuple[Callable[[Scene, str, Path], object], Callable[[Path], object]]] = {
    "code": (_code, _honest_code),
    "models": (_model, _honest_model),
    "places": (lambda _, name, place: places.build(name, place.parent, place.name), _honest_model),
    "notebooks": (_notebook, notebooks.honest),
}


def _give_away(scene: Scene) -> None:
    """Everything but the course belongs to the user who grades."""
    for top in ("home", "class", "out", "tmp", "cache", "fonts"):
        for path in (scene.root / top, *(scene.root / top).rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


# Helpers ----------------------------------------------------------------------------------------


class Visitors:
    """Open doors that nobody may come through: a TCP, a UDP and an abstract Unix socket."""

    def __init__(self) -> None:
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._tcp.getsockname()[1])
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self.abstract = f"hostile-{secrets.token_hex(8)}"
        self._unix = socket.socket(socket.AF_UNIX)
        self._unix.bind("\0" + self.abstract)
        self._unix.listen()

    def came(self) -> list[str]:
        """Who came since the doors were opened."""
        found = []
        for name, door, visit in (
            ("TCP", self._tcp, self._tcp.accept),
            ("UDP", self._udp, lambda: self._udp.recv(100)),
            ("Unix", self._unix, self._unix.accept),
        ):
            door.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                visit()
                found.append(name)
        return found

    def close(self) -> None:
        for door in (self._tcp, self._udp, self._unix):
            door.close()


def _fingerprint(path: Path) -> str:
    status = path.lstat()
    mode = oct(status.st_mode)
    if path.is_symlink():
        return f"{mode} -> {path.readlink()}"
    if not path.is_file() or status.st_size > 2**30:
        return mode
    return mode + hashlib.sha256(path.read_bytes()).hexdigest()


def _delete(root: Path) -> None:
    def insist(function: Callable, path: str, error: object) -> None:
        if Path(path) != root:  # its parent is the system's folder for temporary files
            Path(path).parent.chmod(0o700)
        Path(path).chmod(0o700)
        function(path)

    shutil.rmtree(root, onerror=insist)
