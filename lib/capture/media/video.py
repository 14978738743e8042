"""A video file, as a camera: at its own pace, or one picture further with each trigger."""

import os
import threading

from frames import CameraError
from gstreamer import Gst, Pipeline, element


class VideoSource(Pipeline):
    """options: file, mode ("cycle"|"once"), freeRun, maxFps."""

    def __init__(self, options, frames, fail):
        super().__init__(options, frames, fail)
        self._free_run = options["freeRun"]
        self._steps = threading.Semaphore(0)
        if not os.path.isfile(options["file"]):
            raise CameraError("CAMERA_LOST", f"there is no file {options['file']}")
        # At its own pace the picture of now is shown; step by step none may be left out.
        self.sink.set_property("sync", self._free_run)
        self.sink.set_property("drop", self._free_run)
        self.sink.set_property("emit-signals", self._free_run)
        self.decode_any(element("filesrc", location=options["file"]))

    def start(self):
        super().start()
        if not self._free_run:
            threading.Thread(target=self._step, name="step", daemon=True).start()

    def trigger(self):
        self._steps.release()

    def captured_at_ms(self, _buffer):
        return None  # the moment it is shown

    def time_ns(self, buffer):
        return buffer.pts  # the decoder runs ahead of what is shown

    def on_end(self):
        if self.options["mode"] != "cycle":
            # In steps the pictures before the end are still to be asked for.
            return not self._free_run
        if self._free_run:
            self._rewind()
        return True

    def explain(self, error, debug):
        if error.matches(Gst.ResourceError.quark(), Gst.ResourceError.OPEN_READ):
            return CameraError("CAMERA_REFUSED", f"{self.options['file']} may not be read")
        return CameraError("CAMERA_REFUSED", f"{self.options['file']} cannot be decoded: {error.message}")

    @property
    def end_error(self):
        return CameraError("NO_IMAGE", f"{self.options['file']} is at its end")

    def _rewind(self):
        self.pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT, 0)

    def _step(self):
        first = self.sink.emit("pull-preroll")
        if first is not None:
            self.announce(first)
        while True:
            self._steps.acquire()
            sample = self.sink.emit("pull-sample")
            if sample is None and self.options["mode"] == "cycle":
                self._rewind()
                sample = self.sink.emit("pull-sample")
            if sample is None:
                if not self._closing:
                    self.fail(self.end_error)
                return
            self.put(sample)
