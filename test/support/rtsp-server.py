"""An RTSP camera for tests: H.264, H.265 and MJPEG whose pictures say when they were made.

Settings come as one JSON line on stdin, {"port", "user", "password", "width", "height", "fps",
"shared"}; the
port comes back as one. Then "drop" ends every client's session. Ends with stdin, or its parent.

Each picture carries the wall clock, in 0.1 ms since 1970, as a stamp (stamp.ts).
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

BLOCK = 16
COLUMNS = 28

ctypes.CDLL(None).prctl(1, signal.SIGKILL)
settings = json.loads(sys.stdin.readline())
Gst.init(None)
width, height, fps = settings["width"], settings["height"], settings["fps"]

ENCODERS = {
    "/h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=3000 ! rtph264pay name=pay0 config-interval=-1",
    "/h265": "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=50 bitrate=2000 ! rtph265pay name=pay0 config-interval=-1",
    "/jpeg": "jpegenc quality=85 ! rtpjpegpay name=pay0",
    "/vp8": "vp8enc deadline=1 cpu-used=8 keyframe-max-dist=50 target-bitrate=2000000 ! rtpvp8pay name=pay0",
}


def background():
    """A picture with some texture, so that codecs have something to do; errorOf in rtsp-server.ts knows it."""
    luma = bytearray(width * height)
    for y in range(height):
        row = bytes((x // 4 + y // 3) % 200 + 20 for x in range(width))
        luma[y * width : (y + 1) * width] = row
    return bytes(luma) + bytes([110]) * (width * height // 4) + bytes([150]) * (width * height // 4)


BACKGROUND = background()


def stamped():
    ticks = int(time.time() * 10000)
    check = 0
    for byte in ticks.to_bytes(6, "big"):
        check ^= byte
    bits = f"{ticks:048b}{check:08b}"
    picture = bytearray(BACKGROUND)
    for half in range(2):
        line = b"".join(
            (b"\xeb" if bit == "1" else b"\x10") * BLOCK for bit in bits[half * COLUMNS : (half + 1) * COLUMNS]
        )
        for y in range(half * BLOCK, (half + 1) * BLOCK):
            picture[y * width : y * width + len(line)] = line
    return bytes(picture)


def feed(source, stopped):
    """One picture each period, as a camera makes them."""
    due = time.monotonic()
    while not stopped.is_set():
        if source.emit("push-buffer", Gst.Buffer.new_wrapped(stamped())) != Gst.FlowReturn.OK:
            return
        due = max(due + 1 / fps, time.monotonic() - 1 / fps)
        stopped.wait(max(0, due - time.monotonic()))


def configure(_factory, media):
    """Begins when the media asks for pictures. One that is pushed while its pipeline still starts now and then gets
    the time since the machine started for its time stamp, and everything behind it waits until then."""
    stopped = threading.Event()
    asked = threading.Event()

    def begin(source, _length):
        if not asked.is_set():
            asked.set()
            threading.Thread(target=feed, args=(source, stopped), daemon=True).start()

    media.get_element().get_by_name("camera").connect("need-data", begin)
    media.connect("unprepared", lambda _media: stopped.set())


def sign_in(server, user, password):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def main():
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate={fps}/1"
    for path, encoder in ENCODERS.items():
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(
            f"( appsrc name=camera is-live=true do-timestamp=true format=time caps={caps} ! {encoder} )"
        )
        factory.set_latency(0)
        factory.set_shared(settings["shared"])
        factory.connect("media-configure", configure)
        if settings.get("user"):
            factory.add_role_from_structure(role_structure())
        server.get_mount_points().add_factory(path, factory)
    if settings.get("user"):
        sign_in(server, settings["user"], settings["password"])
    if server.attach(None) == 0:
        sys.exit("the port cannot be listened on")
    print(json.dumps({"port": server.get_bound_port()}), flush=True)
    threading.Thread(target=commands, args=(server,), daemon=True).start()
    GLib.MainLoop().run()


def role_structure():
    return Gst.Structure.new_from_string(
        "user, media.factory.access=(boolean)true, media.factory.construct=(boolean)true"
    )


def commands(server):
    for line in sys.stdin:
        if line.strip() == "drop":
            GLib.idle_add(drop, server)
    os._exit(0)


def drop(server):
    clients = server.client_filter(lambda _server, _client: GstRtspServer.RTSPFilterResult.REMOVE)
    print(json.dumps({"dropped": len(clients or [])}), flush=True)
    return False


main()
