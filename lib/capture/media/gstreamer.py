"""What every camera read through GStreamer shares: pipeline, newest picture, conversion, errors.

Every option is set as a property; nothing a person typed is parsed as a pipeline. Decoded pictures
stay in the decoder's own format until one is asked for.
"""

import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

from frames import CameraError, Pixels  # noqa: E402

Gst.init(None)

SECOND_NS = 1_000_000_000
# How far a picture's own time may lie back before we rather believe its arrival.
MAX_DELAY_MS = 2000
GRAY_FORMATS = ("GRAY8", "GRAY16_LE", "GRAY16_BE")


def element(factory, **properties):
    """@raises CameraError LIBRARY_MISSING where the plug-in is not installed"""
    made = Gst.ElementFactory.make(factory, None)
    if made is None:
        raise CameraError("LIBRARY_MISSING", f"GStreamer has no element {factory}")
    for name, value in properties.items():
        made.set_property(name.replace("_", "-"), value)
    return made


class Converter:
    """Any raw picture to RGB or GRAY8, one at a time, in a pipeline of its own.

    `before`: elements that make a raw picture of what is not one yet.
    """

    def __init__(self, *before):
        self._input = element("appsrc", format=Gst.Format.TIME, block=True, max_buffers=1)
        self._filter = element("capsfilter")
        self._output = element("appsink", sync=False, max_buffers=1)
        self._pipeline = Gst.Pipeline.new("convert")
        chain = [self._input, *before, element("videoconvert"), self._filter, self._output]
        for one in chain:
            self._pipeline.add(one)
        for one, next_one in zip(chain, chain[1:]):
            one.link(next_one)
        self._format = None
        self._caps = None

    def pixels(self, buffer, caps):
        gray = caps.get_structure(0).get_string("format") in GRAY_FORMATS
        if self._caps is None or not caps.is_equal(self._caps):
            self._caps = caps
            self._input.set_property("caps", caps)
        if self._format != gray:
            self._format = gray
            name = "GRAY8" if gray else "RGB"
            self._filter.set_property("caps", Gst.Caps.from_string(f"video/x-raw,format={name}"))
            self._pipeline.set_state(Gst.State.PLAYING)
        self._input.emit("push-buffer", buffer)
        converted = self._output.emit("try-pull-sample", SECOND_NS)
        if converted is None:
            raise CameraError("CAMERA_LOST", "the picture could not be converted")
        structure = converted.get_caps().get_structure(0)
        width = structure.get_int("width")[1]
        height = structure.get_int("height")[1]
        buffer = converted.get_buffer()
        # GStreamer begins each row at a multiple of four bytes.
        stride = (width * (1 if gray else 3) + 3) // 4 * 4
        if buffer.get_size() < stride * height:
            raise CameraError("CAMERA_LOST", "the picture has an unknown layout")
        data = buffer.extract_dup(0, buffer.get_size())
        return Pixels(width, height, "gray" if gray else "rgb", data, stride)


class Pipeline:
    """source ... ! appsink: keeps the newest picture, tells errors as CameraError."""

    def __init__(self, options, frames, fail):
        self.options = options
        self.frames = frames
        self.fail = fail
        self.pipeline = Gst.Pipeline.new("camera")
        self.sink = element("appsink", max_buffers=1, drop=True, sync=False, emit_signals=True)
        self.sink.connect("new-sample", self._on_sample)
        self.pipeline.add(self.sink)
        self._converter = Converter()
        self._caps = None
        self._closing = False
        self._period_ns = int(SECOND_NS / options["maxFps"]) if options.get("maxFps") else 0
        self._due_ns = None

    def start(self):
        threading.Thread(target=self._watch, name="bus", daemon=True).start()
        self.pipeline.set_state(Gst.State.PLAYING)

    def trigger(self):
        pass

    def cancelled(self):
        pass

    def close(self):
        self._closing = True
        self.pipeline.set_state(Gst.State.NULL)

    def add_chain(self, *elements):
        for one in elements:
            self.pipeline.add(one)
        for one, next_one in zip(elements, elements[1:]):
            if not one.link(next_one):
                raise CameraError("CAMERA_REFUSED", "the stream does not fit its decoder")
        for one in reversed(elements):
            one.sync_state_with_parent()

    def decode_any(self, source):
        """source ! whatever decodes it ! sink"""
        decoder = element("decodebin", force_sw_decoders=True)
        decoder.connect("pad-added", self._on_decoded)
        self.add_chain(source, decoder)

    def cap_rate(self, pad):
        """Lets no more than `maxFps` pictures a second through this pad."""
        if self._period_ns > 0:
            pad.add_probe(Gst.PadProbeType.BUFFER, self._on_rate)

    def explain(self, error, debug):
        """A GStreamer error as CameraError."""
        return CameraError("CAMERA_LOST", f"{error.message} ({debug.splitlines()[-1][:200]})")

    def captured_at_ms(self, buffer):
        """From the buffer's time stamp: live sources stamp what they capture with the pipeline's clock."""
        now = time.time() * 1000
        clock = self.pipeline.get_clock()
        if clock is None or buffer.pts == Gst.CLOCK_TIME_NONE:
            return now
        delay_ms = (clock.get_time() - self.pipeline.get_base_time() - buffer.pts) / 1e6
        return now - delay_ms if 0 <= delay_ms <= MAX_DELAY_MS else now

    @property
    def end_error(self):
        """What a stream that ends in good order means."""
        return CameraError("CAMERA_LOST", "the camera ended its stream")

    def on_end(self):
        """True when the stream goes on all the same."""
        return False

    def _on_decoded(self, _decoder, pad):
        entry = self.sink.get_static_pad("sink")
        caps = pad.get_current_caps() or pad.query_caps(None)
        if caps.get_structure(0).get_name() == "video/x-raw" and not entry.is_linked():
            self.cap_rate(pad)
            pad.link(entry)

    def time_ns(self, _buffer):
        """The time by which the rate is capped: of arrival, because cameras' own time stamps may stand still."""
        return time.monotonic_ns()

    def _on_rate(self, _pad, info):
        now = self.time_ns(info.get_buffer())
        period = self._period_ns
        # A tenth of slack lets the picture pass that comes a little early; later ones make up for it.
        waited = self._due_ns is None or not self._due_ns - period <= now < self._due_ns - period // 10
        if not waited:
            return Gst.PadProbeReturn.DROP
        due = now if self._due_ns is None else self._due_ns
        self._due_ns = due + period if 0 <= now - due < period else now + period
        return Gst.PadProbeReturn.OK

    def _on_sample(self, sink):
        sample = sink.emit("pull-sample")
        if sample is None:
            return Gst.FlowReturn.EOS
        self.put(sample)
        return Gst.FlowReturn.OK

    def put(self, sample):
        self.announce(sample)
        # The sample itself belongs to the sink, which writes to it again.
        buffer, caps = sample.get_buffer(), sample.get_caps()
        self.frames.put(lambda: self._converter.pixels(buffer, caps), self.captured_at_ms(buffer))

    def announce(self, sample):
        """Tells the parent what comes, whenever that changes."""
        caps = sample.get_caps()
        if self._caps is not None and caps.is_equal(self._caps):
            return
        self._caps = caps
        structure = caps.get_structure(0)
        width, height = structure.get_int("width")[1], structure.get_int("height")[1]
        gray = structure.get_string("format") in GRAY_FORMATS
        known, numerator, denominator = structure.get_fraction("framerate")
        fps = numerator / denominator if known and numerator > 0 and denominator > 0 else None
        cap = self.options.get("maxFps")
        # The watchdog goes by it: what we hold back is not missing.
        fps = min(fps or cap, cap) if cap else fps
        self.frames.up(width, height, "gray" if gray else "rgb", fps)

    def _watch(self):
        bus = self.pipeline.get_bus()
        while True:
            message = bus.timed_pop_filtered(
                Gst.CLOCK_TIME_NONE, Gst.MessageType.ERROR | Gst.MessageType.EOS
            )
            if message is None or self._closing:
                return
            if message.type == Gst.MessageType.EOS:
                if self.on_end():
                    continue
                self.fail(self.end_error)
            else:
                self.fail(self.explain(*message.parse_error()))
            return
