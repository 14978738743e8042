"""An RTSP camera: H.264, H.265 and MJPEG with the shortest way, the rest through decodebin."""

import time

from frames import CameraError
from gstreamer import Gst, Pipeline, element

# Pictures on their way through a decoder; more time stamps are of pictures that never came out.
MAX_ARRIVALS = 64
# Cameras send a key frame every few seconds; one that sends none for so long is better connected anew.
MAX_KEY_WAIT_SECONDS = 10


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
        self._has_key = False
        self._whole_at = None  # when the last picture came that could be decoded; None before the first
        self._selected = False
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
        is_video = caps.get_structure(0).get_string("media") == "video"
        wanted = is_video and not self._selected
        self._selected = self._selected or is_video
        return wanted

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
            decoder = element("decodebin", force_sw_decoders=True)
            decoder.connect("pad-added", self._on_decoded)
            self.add_chain(decoder)
            pad.link(decoder.get_static_pad("sink"))
            return
        depayloader = element(codec[0])
        decoder = element(codec[1])
        if codec[1].startswith("avdec"):
            # More threads mean a picture of delay for each, and broken pictures are no pictures.
            decoder.set_property("max-threads", 1)
            decoder.set_property("output-corrupt", False)
        if not codec[2]:
            decoder.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, self._on_picture)
        self.cap_rate(decoder.get_static_pad("sink" if codec[2] else "src"))
        entry = depayloader.get_static_pad("sink")
        entry.add_probe(Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST, self._on_packet)
        self.add_chain(depayloader, decoder)
        decoder.link(self.sink)
        pad.link(entry)

    def _on_picture(self, _pad, info):
        """Begins with a key frame, and again after a lost packet: decoders make gray or smeared pictures of the
        rest, and FFmpeg's H.265 does not even mark them as broken. What is left out still says that the camera lives."""
        buffer = info.get_buffer()
        now = time.monotonic()
        if buffer.has_flags(Gst.BufferFlags.DISCONT):
            self._has_key = False
        if not self._has_key and buffer.has_flags(Gst.BufferFlags.DELTA_UNIT):
            if self._whole_at is not None and now - self._whole_at < MAX_KEY_WAIT_SECONDS:
                self.frames.alive()
            return Gst.PadProbeReturn.DROP
        self._has_key = True
        self._whole_at = now
        return Gst.PadProbeReturn.OK

    def _on_packet(self, _pad, info):
        """Remembers when the first packet of a picture came: all of them carry the same time stamp."""
        buffer = info.get_buffer()
        if buffer is None:
            packets = info.get_buffer_list()
            buffer = packets.get(0) if packets is not None and packets.length() > 0 else None
        if buffer is None or buffer.pts == Gst.CLOCK_TIME_NONE:
            return Gst.PadProbeReturn.OK
        if buffer.pts not in self._arrivals:
            self._arrivals[buffer.pts] = time.time() * 1000
            while len(self._arrivals) > MAX_ARRIVALS:
                del self._arrivals[next(iter(self._arrivals))]
        return Gst.PadProbeReturn.OK

    def captured_at_ms(self, buffer):
        arrived = self._arrivals.pop(buffer.pts, None)
        return time.time() * 1000 if arrived is None else arrived

    def explain(self, error, debug):
        resource = Gst.ResourceError
        if error.matches(resource.quark(), resource.NOT_AUTHORIZED):
            if not self.options.get("user"):
                # Nothing was guessed that a camera would lock out for.
                return CameraError(
                    "CAMERA_REFUSED",
                    "the camera asks for user and password",
                    "Enter user and password of the camera.",
                )
            return CameraError(
                "SIGN_IN",
                "the camera refuses user and password",
                "Correct them and deploy. Cameras lock out who tries too often, so the next try is in 5 minutes.",
            )
        if error.matches(resource.quark(), resource.NOT_FOUND):
            return CameraError(
                "CAMERA_REFUSED",
                "the camera has no stream at this address",
                "Check the path of the address in the manual of the camera.",
            )
        return super().explain(error, debug)
