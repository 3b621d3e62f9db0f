"""A Jupyter kernel without sockets, processes or threads: IPython in the process of nbclient.

nbclient uses it as any kernel, by messages; here they are objects in a queue. The warm process
makes one before there is any submission, and every child inherits it.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
from functools import cache
from itertools import count
from typing import Any

from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.utils.text import SList
from jupyter_client.session import Session
from traitlets.config import Config

MAX_TEXT = 64 * 2**10
"""Characters that are kept of what a cell prints."""
MAX_BYTES = 2**20
"""Bytes that are kept of its other outputs."""
MAX_MESSAGES = 200
_SHOWN = ("display_data", "execute_result", "update_display_data")
_KEPT = ("text/plain", "image/png", "image/jpeg")

_RUNNING = (
    "transform_cell",
    "should_run_async",
    "run_cell",
    "run_cell_async",
    "_run_cell",
    "run_ast_nodes",
    "run_code",
)
"""Methods of the shell that run a cell."""

Message = dict[str, Any]


class Outputs:
    """The outputs of one cell. Their size is bounded, however much the cell prints."""

    def __init__(self) -> None:
        self._numbers = count()
        self._parent = ""
        self._clear_next = False
        self._messages: list[Message] = []
        self._texts: list[list[str]] = []
        self._printed = self._bytes = 0

    def begin(self, parent: str) -> None:
        self._parent = parent
        self._clear_next = False
        self._empty()

    def stream(self, name: str, text: str) -> None:
        self._cleared()
        room = MAX_TEXT - self._printed
        self._printed += len(text)
        if room <= 0:
            return
        kept = text[:room]
        if len(text) > room:
            kept += "\n[the rest is left out]\n"
        last = self._messages[-1] if self._messages else None
        if last is not None and last["msg_type"] == "stream" and last["content"]["name"] == name:
            self._texts[-1].append(kept)
        else:
            self._texts.append([kept])
            self._messages.append(self.message("stream", {"name": name, "text": ""}))

    def show(self, kind: str, content: dict[str, Any]) -> None:
        """Keep a message of the kernel, if it is an output or an error and there is room."""
        if kind == "clear_output":
            if content.get("wait"):
                self._clear_next = True
            else:
                self._empty()
            return
        self._cleared()
        if kind in _SHOWN:
            data = content.get("data") or {}
            content = content | {"data": {name: data[name] for name in _KEPT if name in data}}
        elif kind != "error":
            return
        name = (content.get("transient") or {}).get("display_id")
        if kind == "update_display_data":  # only the last one is kept
            self._messages = [m for m in self._messages if not _updates(m, name)]
        size = len(json.dumps(content, default=str))
        if self._bytes + size > MAX_BYTES or len(self._messages) >= MAX_MESSAGES:
            if kind != "error":
                return
            content = {key: content[key] for key in ("ename", "evalue")} | {"traceback": []}
        self._bytes += size if kind != "update_display_data" else 0
        self._messages.append(self.message(kind, content))

    def all(self) -> list[Message]:
        """All messages, in their order."""
        streams = (message for message in self._messages if message["msg_type"] == "stream")
        for message, parts in zip(streams, self._texts, strict=True):
            message["content"]["text"] = "".join(parts)
        return self._messages

    def message(self, kind: str, content: dict[str, Any]) -> Message:
        header = {"msg_id": f"message-{next(self._numbers)}", "msg_type": kind}
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": kind,
            "parent_header": {"msg_id": self._parent},
            "metadata": {},
            "content": content,
            "buffers": [],
        }

    def _cleared(self) -> None:
        if self._clear_next:
            self._clear_next = False
            self._empty()

    def _empty(self) -> None:
        self._messages, self._texts = [], []
        self._printed = self._bytes = 0


class Stream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a notebook."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: Outputs) -> None:
        self.name = name
        self._outputs = outputs

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._outputs.stream(self.name, text)
        return len(text)

    def writable(self) -> bool:
        return True


class _Record(Session):
    """Keeps the messages that ipykernel's shell would send over sockets."""

    outputs: Outputs

    def send(self, stream: Any, msg_or_type: Any, content: Any = None, *_: Any, **__: Any) -> Any:
        if isinstance(msg_or_type, dict):
            msg_or_type, content = msg_or_type["msg_type"], msg_or_type["content"]
        self.outputs.show(msg_or_type, dict(content or {}))


class Shell(ZMQInteractiveShell):
    """The IPython shell of notebooks, but unable to start programs."""

    def system(self, cmd: str) -> None:
        """Called for `!command` and for magics that use it, such as %pip."""
        sys.stderr.write(f"!{cmd}: no program is run here, the notebook goes on without it\n")
        self.user_ns["_exit_code"] = 1

    system_piped = system_raw = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        self.system(cmd)
        return SList() if split else ""

    def enable_gui(self, gui: Any = None) -> None:
        """Does nothing: there are no windows."""

    def ask_exit(self) -> None:
        raise SystemExit("the notebook asked its kernel to exit")


class Channel(asyncio.Queue[Message]):
    """Messages from the kernel to its client."""

    async def get_msg(self, timeout: float | None = None) -> Message:
        return await self.get()


class Kernel:
    """Kernel, kernel manager and client in one, with the interface that nbclient uses."""

    has_kernel = True
    allow_stdin = False

    def __init__(self) -> None:
        config = Config()
        config.HistoryManager.enabled = False  # it would start a thread
        self.outputs = Outputs()
        session = _Record(key=b"")
        session.outputs = self.outputs
        self.shell = Shell.instance(
            config=config, ipython_dir=tempfile.mkdtemp(prefix="ipython-"), user_ns={}
        )
        for sender in (self.shell.displayhook, self.shell.display_pub):
            sender.session = session
        self._methods = {name: getattr(Shell, name) for name in _RUNNING}
        # Load what IPython loads with the first cell and the first error, for all children.
        for code in ("None", "1 / 0"):
            self.shell.run_cell(code, store_history=False, silent=True)
        self.outputs.begin("")
        self.failure: BaseException | None = None
        """The exception of the last cell that failed."""
        self._requests = count()

    def open(self) -> None:
        """Redirect the output of this process. Called once, by the child that runs a notebook."""
        self.shell_channel, self.iopub_channel = Channel(), Channel()
        sys.stdout = Stream("stdout", self.outputs)
        sys.stderr = Stream("stderr", self.outputs)
        if "" not in sys.path:
            sys.path.insert(0, "")  # the folder of the notebook, as in Jupyter

    def client(self) -> Kernel:
        return self

    def is_alive(self) -> bool:
        return True

    def start_channels(self) -> None:
        """Does nothing: `open` has made the channels."""

    def wait_for_ready(self, timeout: float | None = None) -> None:
        """Does nothing: the kernel is ready."""

    def kernel_info(self) -> str:
        request = self._request()
        about = {"name": "python", "version": sys.version.split()[0]}
        content = {"status": "ok", "language_info": about}
        self.shell_channel.put_nowait(self.outputs.message("kernel_info_reply", content))
        return request

    async def execute(
        self, code: str, store_history: bool = True, stop_on_error: bool = True
    ) -> str:
        """Run a cell to its end, and queue its messages and the reply. Returns the request's id."""
        request = self._request()
        try:
            result = await self._run(code, store_history)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as broken:  # the notebook has changed its own shell
            error = broken
        reply: dict[str, Any] = {"status": "ok"}
        if error is not None:
            self.failure = error
            reply = {"status": "error", "traceback": [], **_described(error)}
        for message in self.outputs.all():
            self.iopub_channel.put_nowait(message)
        idle = self.outputs.message("status", {"execution_state": "idle"})
        self.iopub_channel.put_nowait(idle)
        self.shell_channel.put_nowait(self.outputs.message("execute_reply", reply))
        return request

    async def _run(self, code: str, store_history: bool) -> Any:
        """Run a cell as ipykernel does: asynchronous code shares this loop."""
        shell = self.shell
        # Put back the methods that run cells, in case the cell before has replaced them.
        for name, method in self._methods.items():
            vars(shell).pop(name, None)
            setattr(Shell, name, method)
        try:
            transformed, problem = shell.transform_cell(code), None
        except Exception:
            transformed, problem = code, sys.exc_info()
        kept = {"transformed_cell": transformed, "preprocessing_exc_tuple": problem}
        if not shell.should_run_async(code, **kept):
            return shell.run_cell(code, store_history=store_history)
        result = await shell.run_cell_async(code, store_history=store_history, **kept)
        shell.events.trigger("post_execute")
        shell.events.trigger("post_run_cell", result)
        return result

    def _request(self) -> str:
        name = f"request-{next(self._requests)}"
        self.outputs.begin(name)
        return name


@cache
def kernel() -> Kernel:
    """The kernel of this process, since IPython has one shell per process."""
    # Read when matplotlib is imported.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    return Kernel()


def warm() -> None:
    """Make the kernel in the process that children are forked from, before any submission."""
    kernel()


def _updates(message: Message, name: object) -> bool:
    if message["msg_type"] != "update_display_data":
        return False
    return bool((message["content"].get("transient") or {}).get("display_id") == name)


def _described(error: BaseException | None) -> dict[str, str]:
    """Name and message of an exception, whose own __str__ may fail or return megabytes."""
    try:
        message = str(error)[:2000]
    except BaseException:
        message = "?"
    return {"ename": type(error).__name__, "evalue": message}
