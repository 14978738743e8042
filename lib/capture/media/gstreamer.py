"""Cameras and videos GStreamer can read: RTSP, V4L2, files.

Every option is set as a property; nothing a person typed is parsed as a pipeline. Decoded pictures
stay in the decoder's own format until one is asked for.
"""

import threading
import time

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

from frames import CameraError, Pixels  # noqa: E402

Gst.init(None)

SECOND_NS = 1_000_000_000
# How far a picture's own time may lie back before we rather believe its arrival.
MAX_DELAY_MS = 2000
GRAY_FORMATS = ("GRAY8", "GRAY16_LE", "GRAY16_BE")


def element(factory, **properties):
    """@raises CameraError MEDIA_MISSING where the plug-in is not installed"""
    made = Gst.ElementFactory.make(factory, None)
    if made is None:
        raise CameraError("MEDIA_MISSING", f"GStreamer has no element {factory}")
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

    def pixels(self, sample):
        structure = sample.get_caps().get_structure(0)
        gray = structure.get_string("format") in GRAY_FORMATS
        if self._format != gray:
            self._format = gray
            name = "GRAY8" if gray else "RGB"
            self._filter.set_property("caps", Gst.Caps.from_string(f"video/x-raw,format={name}"))
            self._pipeline.set_state(Gst.State.PLAYING)
        self._input.emit("push-sample", sample)
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

    #: What a stream that ends in good order means.
    end_error = CameraError("CAMERA_LOST", "the camera ended its stream")

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

    def _on_rate(self, _pad, info):
        now = time.monotonic_ns()
        # Half a camera period of slack would need its rate; a tenth of ours keeps the mean right.
        if self._due_ns is not None and now < self._due_ns - self._period_ns // 10:
            return Gst.PadProbeReturn.DROP
        due = now if self._due_ns is None else self._due_ns
        self._due_ns = max(due + self._period_ns, now)
        return Gst.PadProbeReturn.OK

    def _on_sample(self, sink):
        sample = sink.emit("pull-sample")
        if sample is None:
            return Gst.FlowReturn.EOS
        caps = sample.get_caps()
        if self._caps is None or not caps.is_equal(self._caps):
            self._caps = caps
            self._announce(caps.get_structure(0))
        captured_at_ms = self.captured_at_ms(sample.get_buffer())
        self.frames.put(lambda: self._converter.pixels(sample), captured_at_ms)
        return Gst.FlowReturn.OK

    def _announce(self, structure):
        width, height = structure.get_int("width")[1], structure.get_int("height")[1]
        gray = structure.get_string("format") in GRAY_FORMATS
        known, numerator, denominator = structure.get_fraction("framerate")
        fps = numerator / denominator if known and numerator > 0 and denominator > 0 else None
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

    def on_end(self):
        """True when the stream goes on all the same."""
        return False


class RtspSource(Pipeline):
    """options: url, transport ("tcp"|"udp"), user, password, timeoutMs, maxFps."""

    # encoding-name of RFC 4566 -> depayloader, decoder, whether each picture stands alone
    CODECS = {
        "H264": ("rtph264depay", "avdec_h264", False),
        "H265": ("rtph265depay", "avdec_h265", False),
        "JPEG": ("rtpjpegdepay", "jpegdec", True),
    }

    def __init__(self, options, frames, fail):
        super().__init__(options, frames, fail)
        self._arrivals = {}
        self._linked = False
        source = element("rtspsrc", location=options["url"], latency=0, user_agent="Jidoka")
        Gst.util_set_object_arg(source, "protocols", options.get("transport", "tcp"))
        microseconds = int(options["timeoutMs"] * 1000)
        source.set_property("tcp-timeout", microseconds)
        source.set_property("timeout", microseconds)
        if options.get("user"):
            source.set_property("user-id", options["user"])
            source.set_property("user-pw", options.get("password", ""))
        source.connect("select-stream", self._on_stream)
        source.connect("pad-added", self._on_pad)
        self.pipeline.add(source)

    def _on_stream(self, _source, _number, caps):
        """Only the first video stream is set up; sound would cost the camera and us."""
        return caps.get_structure(0).get_string("media") == "video"

    def _on_pad(self, _source, pad):
        if self._linked:
            return
        self._linked = True
        try:
            self._decode(pad)
        except CameraError as error:
            self.fail(error)

    def _decode(self, pad):
        encoding = pad.get_current_caps().get_structure(0).get_string("encoding-name")
        codec = self.CODECS.get(encoding)
        if codec is None:
            raise CameraError("CAMERA_REFUSED", f"the camera sends {encoding}, which is not read")
        depayloader = element(codec[0])
        if depayloader.find_property("wait-for-keyframe") is not None:
            depayloader.set_property("wait-for-keyframe", True)
        decoder = element(codec[1])
        if codec[1].startswith("avdec"):
            # More threads mean a picture of delay for each, and broken pictures are no pictures.
            decoder.set_property("max-threads", 1)
            decoder.set_property("output-corrupt", False)
        self.cap_rate(decoder.get_static_pad("sink" if codec[2] else "src"))
        entry = depayloader.get_static_pad("sink")
        entry.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._on_packet)
        self.add_chain(depayloader, decoder)
        decoder.link(self.sink)
        pad.link(entry)

    def _on_packet(self, _pad, info):
        """Remembers when the first packet of a picture came: all of them carry the same time stamp."""
        buffer = info.get_buffer()
        if buffer is None:
            packets = info.get_buffer_list()
            buffer = packets.get(0) if packets is not None and packets.length() > 0 else None
        if buffer is not None and buffer.pts not in self._arrivals:
            self._arrivals[buffer.pts] = time.time() * 1000
            while len(self._arrivals) > 64:
                del self._arrivals[next(iter(self._arrivals))]
        return Gst.PadProbeReturn.OK

    def captured_at_ms(self, buffer):
        arrived = self._arrivals.pop(buffer.pts, None)
        return time.time() * 1000 if arrived is None else arrived

    def explain(self, error, debug):
        text = f"{error.message} {debug}"
        if error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_AUTHORIZED):
            return CameraError("CAMERA_REFUSED", "the camera refuses user and password")
        if error.matches(Gst.ResourceError.quark(), Gst.ResourceError.NOT_FOUND):
            return CameraError("CAMERA_REFUSED", "the camera has no stream at this address")
        return super().explain(error, debug)
