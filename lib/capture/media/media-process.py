"""One camera in a process of its own: what native decoders do to it harms nobody else.

Speaks JSON lines with its parent (media-child.ts). In: {"open": {"kind", ...options}} or
{"list": kind} first, then {"take": id, "slot": path, "maxAgeMs": n}, {"cancel": id},
{"trigger": true}; the end of stdin closes. Out: {"up"}, {"beat"}, {"took"}, {"cancelled"},
{"failed": id, "message"}, {"cameras"}, or {"error": {"code", "message", "hint"?}} and then the end.

A source is a class with `__init__(options, frames, fail)`, `start()`, `trigger()`, `cancelled()` and
`close()`; it hands frames to `frames` (frames.py) from threads of its own and ends with
`fail(CameraError)`. {"trigger"} follows the {"take"} it is for.

Started as: python3 -IB media-process.py PARENT_PID. Dies with its parent, however that dies.
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import threading

# -I leaves our own folder out, so that nothing of the working directory can be imported.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from frames import CameraError, Frames, send  # noqa: E402

# Longest request taken, and how long a camera may take to be closed in good order.
LINE_BYTES = 64 * 1024
CLOSE_SECONDS = 1.5
NICENESS = 5
PR_SET_PDEATHSIG = 1

SOURCES = {
    "rtsp": ("rtsp", "RtspSource"),
    "usb": ("usb", "UsbSource"),
    "video": ("video", "VideoSource"),
    "gige": ("gige", "GigeSource"),
}
LISTS = {"usb": ("usb", "list_usb"), "gige": ("gige", "list_gige")}

_ending = threading.Lock()


def fail(error):
    """Says why and ends; the first reason counts. From any thread."""
    if not _ending.acquire(blocking=False):
        return
    reason = {"code": error.code, "message": str(error)}
    send({"error": reason if error.hint is None else {**reason, "hint": error.hint}})
    os._exit(1)


def die_with(parent):
    """SIGKILL as soon as the parent is gone; stdin's end alone would not reach a hanging decoder."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):
        pass  # not Linux: the end of stdin has to do
    if os.getppid() != parent:
        os._exit(0)


def load(table, kind):
    module, name = table[kind]
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, ValueError) as error:  # ValueError: a typelib is absent
        raise CameraError("LIBRARY_MISSING", str(error)) from error


def requests():
    """Each line of stdin as an object; ends with stdin."""
    while True:
        line = sys.stdin.buffer.readline(LINE_BYTES)
        if not line:
            return
        if not line.endswith(b"\n"):
            raise ValueError("a request is too long or broken off")
        yield json.loads(line)


def serve(lines, options):
    frames = Frames(fail)
    source = load(SOURCES, options["kind"])(options, frames, fail)
    source.start()
    for request in lines:
        if "take" in request:
            frames.take(request["take"], request["slot"], request["maxAgeMs"])
        elif "cancel" in request:
            frames.cancel(request["cancel"])
            source.cancelled()
        elif "trigger" in request:
            source.trigger()
    # A camera told goodbye frees its session; one that does not answer may not keep us.
    threading.Timer(CLOSE_SECONDS, os._exit, (0,)).start()
    _ending.acquire(blocking=False)
    source.close()


def main():
    os.nice(NICENESS)
    die_with(int(sys.argv[1]))
    lines = requests()
    try:
        first = next(lines, {})
        if "list" in first:
            send({"cameras": load(LISTS, first["list"])()})
        elif "open" in first:
            serve(lines, first["open"])
    except CameraError as error:
        fail(error)
    os._exit(0)


main()
