"""GigE Vision cameras through Aravis.

Promises: a frame with a lost packet never becomes a picture; every setting is held against the
camera's own limits before it is written; a trigger gets the frame it caused or none; control of the
camera is given back at the end, because a camera lets only one program at a time control it.

Names are those of the GenICam Standard Features Naming Convention (SFNC 2.7) as far as a camera
follows it; pixel formats those of the Pixel Format Naming Convention (PFNC 2.4).
"""

import importlib
import ipaddress
import threading
import time

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis, GLib  # noqa: E402

from frames import CameraError, Pixels  # noqa: E402

# USB3 Vision cameras would answer too, and are another kind of source.
Aravis.disable_interface("USB3Vision")

# PFNC name -> what becomes of it. The two letters of a Bayer name are the colours its first row
# begins with, so BayerRG8 is what GStreamer calls rggb.
GRAY, RGB = "gray", "rgb"
PIXEL_FORMATS = {
    "Mono8": GRAY,
    "RGB8": RGB,
    "BayerRG8": "rggb",
    "BayerGR8": "grbg",
    "BayerGB8": "gbrg",
    "BayerBG8": "bggr",
}
# SFNC name first, then what older cameras call it.
EXPOSURE = ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw")
GAIN = ("Gain", "GainRaw", "GainAbs")
FRAME_RATE = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
PACKET_SIZE = ("GevSCPSPacketSize",)

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


class Settings:
    """Writes what was configured, each value checked first; `asked` is what was not left as it is."""

    def __init__(self, camera):
        self._camera = camera

    def feature(self, names, what):
        """The camera's own name for this feature."""
        for name in names:
            if self._camera.is_feature_available(name):
                return name
        raise CameraError("CAMERA_REFUSED", f"the camera has no {names[0]}, which its {what} needs")

    def integer(self, name, value):
        bounds = self._camera.get_integer_bounds(name)
        step = max(1, self._camera.get_integer_increment(name))
        allowed = f"whole numbers from {bounds.min} to {bounds.max}" + (f" in steps of {step}" if step > 1 else "")
        if value != int(value) or not bounds.min <= value <= bounds.max or (value - bounds.min) % step:
            raise CameraError("CAMERA_REFUSED", f"{name} cannot be {value:.10g}: the camera takes {allowed}")
        self._camera.set_integer(name, int(value))
        kept = self._camera.get_integer(name)
        if kept != value:
            raise CameraError("CAMERA_REFUSED", f"{name} was set to {value:.10g}, but the camera kept {kept}")

    def number(self, name, value, bounds, write):
        """A value the camera may round; `write` knows the ways of the different makers."""
        if isinstance(self._camera.get_device().get_feature(name), Aravis.GcInteger):
            return self.integer(name, value)
        if not bounds.min <= value <= bounds.max:
            allowed = f"{bounds.min:.10g} to {bounds.max:.10g}"
            raise CameraError("CAMERA_REFUSED", f"{name} cannot be {value:.10g}: the camera takes {allowed}")
        return write(value)

    def pixel_format(self, wanted):
        """Sets it where asked; @returns what becomes of it, a value of PIXEL_FORMATS."""
        has = self._camera.dup_available_pixel_formats_as_strings()
        usable = [name for name in has if name in PIXEL_FORMATS]
        if wanted:
            if wanted not in usable:
                raise CameraError(
                    "CAMERA_REFUSED",
                    f"PixelFormat cannot be {wanted}: of what the camera has we read {', '.join(usable) or 'none'}",
                )
            self._camera.set_pixel_format_from_string(wanted)
        name = self._camera.get_pixel_format_as_string()
        if name not in PIXEL_FORMATS or (wanted and name != wanted):
            raise CameraError(
                "CAMERA_REFUSED",
                f"PixelFormat is {name}, which is not read: choose one of {', '.join(usable) or 'none'}",
            )
        return PIXEL_FORMATS[name]

    def region(self, x, y, width, height):
        """Part of the sensor, in pixels; None leaves that member as it is.

        The size first and at the corner: a camera lowers the limit of one by the other.
        """
        now = self._camera.get_region()
        for offset, size, at, wanted, at_now, size_now in (
            ("OffsetX", "Width", x, width, now.x, now.width),
            ("OffsetY", "Height", y, height, now.y, now.height),
        ):
            if at is None and wanted is None:
                continue
            at = at_now if at is None else at
            wanted = size_now if wanted is None else wanted
            movable = self._camera.is_feature_available(offset)
            if movable:
                self._camera.set_integer(offset, self._camera.get_integer_bounds(offset).min)
            elif at != 0:
                raise CameraError("CAMERA_REFUSED", f"the camera has no {offset}, so its region cannot be moved")
            largest = self._camera.get_integer_bounds(size).max
            self.integer(size, wanted)
            if at + wanted > largest:
                raise CameraError(
                    "CAMERA_REFUSED",
                    f"{offset} {at:.10g} and {size} {wanted:.10g} go beyond the sensor, which has {largest}",
                )
            if movable:
                self.integer(offset, at)

    def now(self):
        """What the camera says it is set to, by its own names."""
        camera = self._camera
        region = camera.get_region()
        address = camera.get_device().get_device_address().get_address().to_string()
        settings = {
            "GevCurrentIPAddress": address,
            "DeviceModelName": camera.get_model_name(),
            "PixelFormat": camera.get_pixel_format_as_string(),
            "OffsetX": region.x,
            "OffsetY": region.y,
            "Width": region.width,
            "Height": region.height,
        }
        for names, read in (
            (EXPOSURE, camera.get_exposure_time),
            (GAIN, camera.get_gain),
            (FRAME_RATE, camera.get_frame_rate),
            (PACKET_SIZE, camera.gv_get_packet_size),
        ):
            for name in names:
                if camera.is_feature_available(name):
                    settings[name] = read()
                    break
        return settings


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
        self._become = self._configure(Settings(camera))
        if self._become not in (GRAY, RGB):
            self._demosaic = _Demosaic(self._become)
        stream = camera.create_stream(None, None)
        stream.set_property("socket-buffer-size", SOCKET_BUFFER_BYTES)
        self._pixel_format = camera.get_pixel_format()
        payload = camera.get_payload()
        for _ in range(BUFFERS):
            stream.push_buffer(Aravis.Buffer.new_allocate(payload))
        self._settings = Settings(camera).now()
        camera.start_acquisition()
        self._stream = stream
        if self._on_demand:
            self._announce()
            self._turn()

    def _configure(self, settings):
        camera, asked = self._camera, self._options.get
        become = settings.pixel_format(asked("pixelFormat"))
        settings.region(asked("sensorX"), asked("sensorY"), asked("sensorWidth"), asked("sensorHeight"))
        if asked("exposureUs") is not None:
            name = settings.feature(EXPOSURE, "exposure")
            if camera.is_exposure_auto_available():
                camera.set_exposure_time_auto(Aravis.Auto.OFF)
            bounds = camera.get_exposure_time_bounds()
            settings.number(name, asked("exposureUs"), bounds, camera.set_exposure_time)
        if asked("gain") is not None:
            name = settings.feature(GAIN, "gain")
            if camera.is_gain_auto_available():
                camera.set_gain_auto(Aravis.Auto.OFF)
            settings.number(name, asked("gain"), camera.get_gain_bounds(), camera.set_gain)
        if asked("packetSize") is not None:
            settings.integer(settings.feature(PACKET_SIZE, "packet size"), asked("packetSize"))
            camera.gv_set_packet_size_adjustment(Aravis.GvPacketSizeAdjustment.NEVER)
        settings.feature(("AcquisitionMode",), "way of sending")
        camera.set_acquisition_mode(Aravis.AcquisitionMode.CONTINUOUS)
        if self._on_demand:
            for name in ("TriggerMode", "TriggerSource", "TriggerSoftware"):
                settings.feature((name,), "software trigger")
            if "Software" not in camera.dup_available_trigger_sources():
                raise CameraError("CAMERA_REFUSED", "TriggerSource of the camera has no Software")
            camera.set_trigger("Software")
        else:
            if camera.is_feature_available("TriggerMode"):
                camera.clear_triggers()
            if asked("maxFps") is not None:
                name = settings.feature(FRAME_RATE, "frame rate")
                settings.number(name, asked("maxFps"), camera.get_frame_rate_bounds(), camera.set_frame_rate)
        return become

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
        if self._become in (GRAY, RGB):
            return Pixels(width, height, self._become, data)
        return self._demosaic.pixels(data, width, height)

    def _lost_control(self):
        if not self._closing.is_set():
            self._fail(CameraError("CAMERA_LOST", f"{self._what} no longer takes orders from us"))


class _Demosaic:
    """Bayer to RGB by GStreamer's bayer2rgb (bilinear): 5.5 ms at 1920 x 1080."""

    def __init__(self, pattern):
        # Only a Bayer camera pays for GStreamer: 60 ms and 12 MB.
        self._gst = importlib.import_module("gstreamer")
        self._converter = self._gst.Converter(self._gst.element("bayer2rgb"))
        self._pattern = pattern

    def pixels(self, data, width, height):
        # bayer2rgb wants rows of a multiple of four bytes, and crashes on an odd width (1.22): such rows
        # get one pixel more, of the colour that is due there.
        even = width + width % 2
        stride = (even + 3) // 4 * 4
        if stride != width:
            filler = bytes(stride - even)
            rows = (data[row * width : (row + 1) * width] for row in range(height))
            data = b"".join(row + row[width - 2 : even - 2] + filler for row in rows)
        layout = f"video/x-bayer,format={self._pattern},width={even},height={height},framerate=0/1"
        buffer = self._gst.Gst.Buffer.new_wrapped(data)
        picture = self._converter.pixels(buffer, self._gst.Gst.Caps.from_string(layout))
        return Pixels(width, height, RGB, picture.data, picture.stride)
