"""GigE Vision cameras through Aravis.

Promises: a frame with a lost packet never becomes a picture; every setting is held against the
camera's own limits before it is written; a trigger gets the frame it caused or none; control of the
camera is given back at the end, because a camera lets only one program at a time control it.
"""

import importlib
import ipaddress
import threading
import time

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis, GLib  # noqa: E402

from frames import CameraError, Pixels  # noqa: E402
from genicam import GRAY, RGB, Settings  # noqa: E402

# USB3 Vision cameras would answer too, and are another kind of source.
Aravis.disable_interface("USB3Vision")

# One is filled, one is the newest, one is being handed over; the rest is for a late consumer.
BUFFERS = 6
# Asked of the kernel, which gives at most net.core.rmem_max. With Debian's 208 KiB: 320 x 240 RGB8
# at 25 fps in packets of 8000 lost packets in 69 of 74 frames unasked, in 0 of 76 asked.
SOCKET_BUFFER_BYTES = 32 * 1024 * 1024
POP_MICROSECONDS = 100_000
# A camera that only exposes when told is asked this often whether it is there.
ALIVE_SECONDS = 0.5
# Only broken frames for so long: the sentence for that comes before the parent's watchdog (>= 2 s).
BROKEN_SECONDS = 1.5
# GigE Vision bootstrap register: who controls the camera (bit 31 exclusive, bit 30 control).
CONTROL_REGISTER = 0x0A00
CONTROL_BITS = 0x3

NOT_ANSWERING = (Aravis.DeviceError.TIMEOUT, Aravis.DeviceError.NOT_CONNECTED, Aravis.DeviceError.NOT_FOUND)


def in_use(what):
    return CameraError(
        "CAMERA_REFUSED",
        f"{what} is in use: another program controls it",
        "Close the other program; a camera lets only one control it. After a crash it frees itself within seconds.",
    )


def list_gige():
    """Every GigE Vision camera that answers a broadcast; takes one second."""
    return [
        {
            "id": camera["id"],
            "name": f"{camera['vendor']} {camera['model']}",
            "address": camera["address"],
            "serial": camera["serial"],
        }
        for camera in _found()
    ]


def _found():
    Aravis.update_device_list()
    return [
        {
            "id": Aravis.get_device_id(index),
            "serial": Aravis.get_device_serial_nbr(index) or "",
            "address": Aravis.get_device_address(index) or "",
            "vendor": Aravis.get_device_vendor(index) or "",
            "model": Aravis.get_device_model(index) or "",
        }
        for index in range(Aravis.get_n_devices())
        if Aravis.get_device_protocol(index) == "GigEVision"
    ]


def _id_of(wanted):
    """What Aravis opens: an address is asked directly, also across routers; the rest is looked for."""
    try:
        return str(ipaddress.IPv4Address(wanted))
    except ValueError:
        pass
    cameras = _found()
    for camera in cameras:
        if wanted in ("", camera["id"], camera["serial"]):
            return camera["id"]
    if wanted == "":
        raise CameraError("CAMERA_LOST", "no GigE Vision camera answers in this network")
    others = ", ".join(camera["id"] for camera in cameras) or "none"
    raise CameraError("CAMERA_LOST", f"no GigE Vision camera {wanted} answers; found: {others}")


def _explained(error, what):
    """A GLib.Error as CameraError."""
    if error.matches(Aravis.device_error_quark(), Aravis.DeviceError.NOT_CONTROLLER) or error.matches(
        Aravis.device_error_quark(), Aravis.DeviceError.PROTOCOL_ERROR_ACCESS_DENIED
    ):
        return in_use(what)
    if any(error.matches(Aravis.device_error_quark(), code) for code in NOT_ANSWERING):
        return CameraError("CAMERA_LOST", f"{what} does not answer ({error.message})")
    return CameraError("CAMERA_REFUSED", f"{what}: {error.message}")


class _Held:
    """A buffer of the stream as long as anybody may want its picture; then the stream's again."""

    def __init__(self, stream, buffer):
        self._stream = stream
        self.buffer = buffer

    def __del__(self):
        self._stream.push_buffer(self.buffer)


class GigeSource:
    """options: camera (id, serial number or address; "" = first found), onDemand (software trigger);
    None leaves as it is: pixelFormat, exposureUs, gain, maxFps, packetSize, sensorX, sensorY,
    sensorWidth, sensorHeight."""

    def __init__(self, options, frames, fail):
        self._options = options
        self._frames = frames
        self._fail = fail
        self._on_demand = options.get("onDemand", False)
        self._what = f"the camera {options.get('camera', '')}".rstrip()
        self._camera = None
        self._stream = None
        self._closing = threading.Event()
        self._announced = False
        self._turning = threading.Lock()
        self._made_for = None  # id of the take the camera exposes for
        self._triggered_at = 0.0
        self._broken = 0
        self._broken_since = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self):
        self._thread.start()

    def trigger(self):
        self._turn()

    def cancelled(self):
        self._turn()

    def close(self):
        self._closing.set()
        self._thread.join()
        self._leave()

    def _leave(self):
        """Gives control back; without it the camera refuses everybody for its heartbeat time (3 s)."""
        if self._camera is None:
            return
        for last_word in (self._camera.stop_acquisition, self._camera.get_device().leave_control):
            try:
                last_word()
            except GLib.Error:
                return  # it does not answer: each further word would wait 2.5 s

    def _run(self):
        try:
            try:
                self._open()
                self._pump()
            except GLib.Error as error:
                raise _explained(error, self._what) from error
            except CameraError:
                raise
            except Exception as error:  # whatever a camera answers must end in a sentence
                raise CameraError("CAMERA_LOST", f"{self._what}: {error}") from error
        except CameraError as error:
            if error.code != "CAMERA_LOST":
                self._leave()
            self._fail(error)

    def _open(self):
        options = self._options
        camera = Aravis.Camera.new(_id_of(options.get("camera", "")))
        device = camera.get_device()
        if not device.is_controller():
            raise in_use(self._what)
        self._camera = camera
        device.connect("control-lost", lambda _device: self._lost_control())
        # Packet sockets need root, bypass the firewall and see nothing on a loopback: one way for all.
        camera.gv_set_stream_options(Aravis.GvStreamOption.PACKET_SOCKET_DISABLED)
        # A client that was killed leaves the camera sending, and a sending camera lets nobody set it.
        try:
            camera.stop_acquisition()
        except GLib.Error:
            pass  # it was not sending
        settings = Settings(camera)
        self._become = settings.write(options)
        if self._become not in (GRAY, RGB):
            # Only a camera with a mosaic needs GStreamer.
            self._demosaic = importlib.import_module("demosaic").Demosaic(self._become)
        stream = camera.create_stream(None, None)
        stream.set_property("socket-buffer-size", SOCKET_BUFFER_BYTES)
        self._pixel_format = camera.get_pixel_format()
        payload = camera.get_payload()
        for _ in range(BUFFERS):
            stream.push_buffer(Aravis.Buffer.new_allocate(payload))
        self._settings = settings.now()
        camera.start_acquisition()
        self._stream = stream
        if self._on_demand:
            self._announce()
            self._turn()

    def _announce(self):
        self._announced = True
        settings = self._settings
        fps = None
        if not self._on_demand and self._camera.is_frame_rate_available():
            fps = self._camera.get_frame_rate()
        become = GRAY if self._become == GRAY else RGB
        self._frames.up(settings["Width"], settings["Height"], become, fps, settings)

    def _pump(self):
        receive = self._receive_made if self._on_demand else self._receive
        alive_at = 0.0
        while not self._closing.is_set():
            buffer = self._stream.timeout_pop_buffer(POP_MICROSECONDS)
            if buffer is not None:
                receive(_Held(self._stream, buffer))
            now = time.monotonic()
            if self._on_demand and now - alive_at >= ALIVE_SECONDS:
                alive_at = now
                if not self._camera.get_device().read_register(CONTROL_REGISTER) & CONTROL_BITS:
                    self._lost_control()
                self._frames.alive()

    def _turn(self):
        """Exposes for the take that waits longest, one after the other."""
        if not self._on_demand or self._stream is None:
            return
        try:
            with self._turning:
                take = self._frames.first()
                if take is None or take == self._made_for:
                    return
                if self._made_for is not None:
                    # The frame under way is for somebody who no longer waits; nobody else may get it.
                    self._camera.stop_acquisition()
                    self._camera.start_acquisition()
                self._made_for = take
                self._triggered_at = time.time()
                self._camera.software_trigger()
        except GLib.Error as error:
            self._fail(_explained(error, self._what))

    def _receive(self, held):
        """In free-run the newest frame is kept for whoever asks."""
        problem = self._problem(held.buffer)
        if problem is not None:
            self._only_broken(problem)
            return
        self._broken_since = None
        if not self._announced:
            self._announce()
        self._frames.put(lambda: self._pixels(held.buffer), held.buffer.get_system_timestamp() / 1e6)

    def _receive_made(self, held):
        """On demand a frame goes to the take that caused it, or to nobody."""
        problem = self._problem(held.buffer)
        arrived_ns = held.buffer.get_system_timestamp()
        with self._turning:
            if self._made_for is None:
                return
            # Nothing of a frame can come before the trigger that caused it. (A frame whose leading packet
            # was lost carries the time of whatever was in its buffer before.)
            if problem is None and arrived_ns < self._triggered_at * 1e9:
                return
            take, self._made_for = self._made_for, None
            if problem is None:
                details = {"triggerToFrameMs": round((time.time() - self._triggered_at) * 1000, 3)}
                self._frames.answer(take, lambda: self._pixels(held.buffer), arrived_ns / 1e6, details)
            else:
                self._frames.spoil(take, f"the frame {self._what} made for this trigger came broken: {problem}")
        self._turn()

    def _problem(self, buffer):
        """Why this is no picture; None when it is one. Only a complete buffer may be asked further."""
        status = buffer.get_status()
        if status != Aravis.BufferStatus.SUCCESS:
            return status.value_nick.replace("-", " ")
        if buffer.get_image_pixel_format() != self._pixel_format:
            return "another pixel format than was set"
        return None

    def _only_broken(self, problem):
        """One broken frame is left out; nothing but broken ones is an outage that names its reason."""
        self._broken += 1
        now = time.monotonic()
        if self._broken_since is None:
            self._broken_since = now
        elif now - self._broken_since > BROKEN_SECONDS:
            self._leave()
            raise CameraError(
                "CAMERA_LOST",
                f"{self._what} sends only broken frames ({self._broken}, the last: {problem})",
                "Packet size, MTU of the network, frame rate or net.core.rmem_max do not fit each other.",
            )

    def _pixels(self, buffer):
        width, height = buffer.get_image_width(), buffer.get_image_height()
        data = buffer.get_image_data()
        stride = width * (3 if self._become == RGB else 1) + buffer.get_image_padding().x_padding
        if self._become in (GRAY, RGB):
            return Pixels(width, height, self._become, data, stride)
        return self._demosaic.pixels(data, width, height, stride)

    def _lost_control(self):
        if not self._closing.is_set():
            self._fail(CameraError("CAMERA_LOST", f"{self._what} no longer takes orders from us"))
