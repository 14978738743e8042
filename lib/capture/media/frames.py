"""The newest frame of a camera, and who asked for it.

Promises: a frame is given out at most once; one that nobody asks for is never converted, hashed or
copied; pixels go into the slot file the parent named and nowhere else; every "take" is answered by
exactly one "took", "failed" or "cancelled" unless the process ends.
"""

import errno
import hashlib
import json
import os
import sys
import threading
import time

# Beats tell the parent that the camera lives; more of them would only cost (the watchdog waits >= 2 s).
BEAT_SECONDS = 0.05


class CameraError(Exception):
    """`code` is one of the parent's CaptureErrorCode, or SIGN_IN where trying again soon would do harm.

    `hint` says what a person can do about it.
    """

    def __init__(self, code, message, hint=None):
        super().__init__(message)
        self.code = code
        self.hint = hint


class Pixels:
    """Rows of 8 bit per channel; `stride` bytes from one row to the next in `data` (bytes-like)."""

    __slots__ = ("width", "height", "format", "data", "stride")

    def __init__(self, width, height, format, data, stride=None):
        self.width = width
        self.height = height
        self.format = format  # "rgb" or "gray"
        self.data = data
        self.stride = stride if stride is not None else self.row_bytes

    @property
    def row_bytes(self):
        return self.width * (3 if self.format == "rgb" else 1)


_output = threading.Lock()


def send(message):
    """One JSON line to the parent, or the end of this process where it is gone."""
    line = (json.dumps(message, separators=(",", ":")) + "\n").encode()
    with _output:
        try:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        except OSError:
            os._exit(0)


def _write(slot, pixels):
    """Writes the rows without padding; returns length and hex SHA-256 of what was written."""
    length = pixels.row_bytes * pixels.height
    data = memoryview(pixels.data).cast("B")
    if len(data) < pixels.stride * (pixels.height - 1) + pixels.row_bytes:
        raise CameraError("IMAGE_INVALID", "the frame is smaller than its format says")
    file = os.open(slot, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    digest = hashlib.sha256()
    try:
        if pixels.stride == pixels.row_bytes:
            _write_all(file, data[:length])
            digest.update(data[:length])
        else:
            for row in range(pixels.height):
                line = data[row * pixels.stride : row * pixels.stride + pixels.row_bytes]
                _write_all(file, line)
                digest.update(line)
    finally:
        os.close(file)
    return length, digest.hexdigest()


def _write_all(file, data):
    while len(data) > 0:
        data = data[os.write(file, data) :]


class _Take:
    __slots__ = ("id", "slot", "oldest")

    def __init__(self, id, slot, oldest):
        self.id = id
        self.slot = slot
        self.oldest = oldest


class _Frame:
    __slots__ = ("sequence", "arrived", "captured", "pixels", "details")

    def __init__(self, sequence, arrived, captured, pixels, details):
        self.sequence = sequence
        self.arrived = arrived
        self.captured = captured
        self.pixels = pixels
        self.details = details


class Frames:
    """What a source hands its frames to; the methods may be called from any thread."""

    def __init__(self, fail):
        """`fail(error)` ends the process with a CameraError."""
        self._fail = fail
        self._changed = threading.Condition()
        self._takes = []
        self._made = []  # takes with the frames made for them
        self._newest = None
        self._sequence = 0
        self._beat_at = 0.0
        threading.Thread(target=self._give, name="give", daemon=True).start()

    # For sources

    def up(self, width, height, format, fps=None, settings=None):
        """The camera delivers; `fps` where it says how many. Again when its format changes.

        `settings`: what the camera says it is set to, by its own names.
        """
        message = {"width": width, "height": height, "format": format}
        if fps is not None:
            message["fps"] = fps
        if settings is not None:
            message["settings"] = settings
        send({"up": message})

    def put(self, pixels, captured_at_ms=None):
        """A frame came. `pixels()` is called only when it is wanted, and returns Pixels.

        `captured_at_ms`: milliseconds since 1970; now where the camera does not say.
        """
        with self._changed:
            self._newest = self._frame(pixels, captured_at_ms, {})
            if self._takes:
                self._changed.notify()
        self._beat()

    def first(self):
        """Id of the take that waits longest; None where nobody waits."""
        with self._changed:
            return self._takes[0].id if self._takes else None

    def answer(self, id, pixels, captured_at_ms=None, details=None):
        """The frame that was made for this take and for no other; as `put`, once for each take.

        `details`: further members of the answer.
        """
        with self._changed:
            frame = self._frame(pixels, captured_at_ms, details or {})
            for take in self._remove(id):
                self._made.append((take, frame))
                self._changed.notify()
        self._beat()

    def spoil(self, id, message):
        """The frame that was made for this take came broken."""
        with self._changed:
            removed = self._remove(id)
        for take in removed:
            send({"failed": take.id, "message": message})

    def alive(self):
        """The camera is there although it has no reason to send a frame."""
        self._beat()

    def _frame(self, pixels, captured_at_ms, details):
        self._sequence += 1
        captured = time.time() * 1000 if captured_at_ms is None else captured_at_ms
        return _Frame(self._sequence, time.monotonic(), captured, pixels, details)

    def _remove(self, id):
        removed = [take for take in self._takes if take.id == id]
        self._takes = [take for take in self._takes if take.id != id]
        return removed

    def _beat(self):
        now = time.monotonic()
        with self._changed:
            sequence = self._sequence
            due = now - self._beat_at >= BEAT_SECONDS
            if due:
                self._beat_at = now
        if due:
            send({"beat": sequence})

    # For the protocol

    def take(self, id, slot, max_age_ms):
        with self._changed:
            self._takes.append(_Take(id, slot, time.monotonic() - max_age_ms / 1000))
            self._changed.notify()

    def cancel(self, id):
        """Answered with "cancelled" unless the frame is on its way already."""
        with self._changed:
            removed = self._remove(id)
        if removed:
            send({"cancelled": id})

    def _next(self):
        """The take that waits longest and whom the newest frame is young enough for, with that frame."""
        with self._changed:
            while True:
                if self._made:
                    return self._made.pop(0)
                if self._newest is not None:
                    for take in self._takes:
                        if self._newest.arrived >= take.oldest:
                            self._takes.remove(take)
                            frame, self._newest = self._newest, None
                            return take, frame
                self._changed.wait()

    def _give(self):
        while True:
            take, frame = self._next()
            try:
                picture = frame.pixels()
                length, sha256 = _write(take.slot, picture)
            except CameraError as error:
                self._fail(error)
                return
            except OSError as error:
                code = "FRAME_MEMORY" if error.errno == errno.ENOSPC else "CAMERA_LOST"
                self._fail(CameraError(code, f"a frame could not be written: {error.strerror}"))
                return
            except Exception as error:  # whatever a camera sends must end in a sentence
                self._fail(CameraError("CAMERA_LOST", f"a frame could not be handed over: {error}"))
                return
            send(
                {
                    "took": take.id,
                    "width": picture.width,
                    "height": picture.height,
                    "format": picture.format,
                    "length": length,
                    "sha256": sha256,
                    "capturedAt": frame.captured,
                    "sequence": frame.sequence,
                    **frame.details,
                }
            )
