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
    __slots__ = ("id", "slot", "oldest", "cancelled")

    def __init__(self, id, slot, oldest):
        self.id = id
        self.slot = slot
        self.oldest = oldest
        self.cancelled = False


class Frames:
    """What a source hands its frames to; the methods may be called from any thread."""

    def __init__(self, fail):
        """`fail(error)` ends the process with a CameraError."""
        self._fail = fail
        self._changed = threading.Condition()
        self._takes = []
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

    def put(self, pixels, captured_at_ms=None, details=None):
        """A frame came. `pixels()` is called only when it is wanted, and returns Pixels.

        `captured_at_ms`: milliseconds since 1970; now where the camera does not say.
        `details`: further members of the answer.
        """
        now = time.monotonic()
        with self._changed:
            self._sequence += 1
            sequence = self._sequence
            captured = time.time() * 1000 if captured_at_ms is None else captured_at_ms
            self._newest = (sequence, now, captured, pixels, details or {})
            beat = now - self._beat_at >= BEAT_SECONDS
            if beat:
                self._beat_at = now
            if self._takes:
                self._changed.notify()
        if beat:
            send({"beat": sequence})

    def spoil(self, error):
        """The frame that was waited for came broken: the answer to the take that waits longest."""
        with self._changed:
            take = self._takes.pop(0) if self._takes else None
        if take is not None:
            send({"failed": take.id, "error": {"code": error.code, "message": str(error)}})

    def clear(self):
        """What came until now is not what anybody will ask for."""
        with self._changed:
            self._newest = None

    def beat(self, **counts):
        """The camera lives although it sends no frame; or a count of the source has grown."""
        send({"beat": self._sequence, **counts})

    # For the protocol

    def take(self, id, slot, max_age_ms):
        with self._changed:
            self._takes.append(_Take(id, slot, time.monotonic() - max_age_ms / 1000))
            self._changed.notify()

    def cancel(self, id):
        """Answered with "cancelled" unless the frame is on its way already."""
        with self._changed:
            kept = [take for take in self._takes if take.id != id]
            cancelled = len(kept) < len(self._takes)
            self._takes = kept
        if cancelled:
            send({"cancelled": id})

    def _next(self):
        """The take that waits longest and whom the newest frame is young enough for, with that frame."""
        with self._changed:
            while True:
                if self._newest is not None:
                    arrived = self._newest[1]
                    for take in self._takes:
                        if arrived >= take.oldest:
                            self._takes.remove(take)
                            frame, self._newest = self._newest, None
                            return take, frame
                self._changed.wait()

    def _give(self):
        while True:
            take, (sequence, _, captured, pixels, details) = self._next()
            try:
                picture = pixels()
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
                    "capturedAt": captured,
                    "sequence": sequence,
                    **details,
                }
            )
