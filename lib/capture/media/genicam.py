"""What a GenICam camera is set to: checks and writes what was asked for, and says what it is.

Promises: a value is held against the camera's own limits before it is written, and read back where the
camera may not round it; the error names the feature and what the camera takes.

Names of features are those of the Standard Features Naming Convention (SFNC 2.7) as far as a camera
follows it, pixel formats those of the Pixel Format Naming Convention (PFNC 2.4).
"""

import gi

gi.require_version("Aravis", "0.8")
from gi.repository import Aravis  # noqa: E402

from frames import CameraError  # noqa: E402

GRAY, RGB = "gray", "rgb"
# What becomes of a pixel format. The two letters of a Bayer format are the colours its first row
# begins with, so BayerRG8 is what GStreamer calls rggb. By code, because makers differ in the names.
PIXEL_FORMATS = {
    Aravis.PIXEL_FORMAT_MONO_8: ("Mono8", GRAY),
    Aravis.PIXEL_FORMAT_RGB_8_PACKED: ("RGB8", RGB),
    Aravis.PIXEL_FORMAT_BAYER_RG_8: ("BayerRG8", "rggb"),
    Aravis.PIXEL_FORMAT_BAYER_GR_8: ("BayerGR8", "grbg"),
    Aravis.PIXEL_FORMAT_BAYER_GB_8: ("BayerGB8", "gbrg"),
    Aravis.PIXEL_FORMAT_BAYER_BG_8: ("BayerBG8", "bggr"),
}
# SFNC name first, then what older cameras call it.
EXPOSURE = ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw")
GAIN = ("Gain", "GainRaw", "GainAbs")
FRAME_RATE = ("AcquisitionFrameRate", "AcquisitionFrameRateAbs")
PACKET_SIZE = ("GevSCPSPacketSize",)


def refused(message):
    return CameraError("CAMERA_REFUSED", message)


class Settings:
    def __init__(self, camera):
        self._camera = camera

    def write(self, options):
        """Writes what `options` of GigeSource ask for; returns "gray", "rgb" or the pattern of a mosaic.

        What limits something else comes first: format and region, exposure, then the frame rate.
        """
        camera, asked = self._camera, options.get
        become = self._pixel_format(asked("pixelFormat"))
        self._region(asked("sensorX"), asked("sensorY"), asked("sensorWidth"), asked("sensorHeight"))
        if asked("exposureUs") is not None:
            name = self._feature(EXPOSURE, "exposure")
            if camera.is_exposure_auto_available():
                camera.set_exposure_time_auto(Aravis.Auto.OFF)
            self._number(name, asked("exposureUs"), camera.get_exposure_time_bounds, camera.set_exposure_time)
        if asked("gain") is not None:
            name = self._feature(GAIN, "gain")
            if camera.is_gain_auto_available():
                camera.set_gain_auto(Aravis.Auto.OFF)
            self._number(name, asked("gain"), camera.get_gain_bounds, camera.set_gain)
        if asked("packetSize") is not None:
            self._integer(self._feature(PACKET_SIZE, "packet size"), asked("packetSize"))
            camera.gv_set_packet_size_adjustment(Aravis.GvPacketSizeAdjustment.NEVER)
        self._feature(("AcquisitionMode",), "way of sending")
        camera.set_acquisition_mode(Aravis.AcquisitionMode.CONTINUOUS)
        if asked("onDemand"):
            self._software_trigger()
            return become
        if camera.is_feature_available("TriggerMode"):
            camera.clear_triggers()
        if asked("maxFps") is not None:
            name = self._feature(FRAME_RATE, "frame rate")
            self._number(name, asked("maxFps"), camera.get_frame_rate_bounds, camera.set_frame_rate)
        return become

    def _software_trigger(self):
        for name in ("TriggerMode", "TriggerSource", "TriggerSoftware"):
            self._feature((name,), "software trigger")
        if "Software" not in self._camera.dup_available_trigger_sources():
            raise refused("the TriggerSource of the camera cannot be Software")
        self._camera.set_trigger("Software")

    def _feature(self, names, what):
        """The camera's own name for this feature."""
        for name in names:
            if self._camera.is_feature_available(name):
                return name
        raise refused(f"the camera has no {names[0]}, which its {what} needs")

    def _integer(self, name, value):
        bounds = self._camera.get_integer_bounds(name)
        step = max(1, self._camera.get_integer_increment(name))
        allowed = f"whole numbers from {bounds.min} to {bounds.max}" + (f" in steps of {step}" if step > 1 else "")
        if value != int(value) or not bounds.min <= value <= bounds.max or (value - bounds.min) % step:
            raise refused(f"{name} cannot be {value:.10g}: the camera takes {allowed}")
        self._camera.set_integer(name, int(value))
        kept = self._camera.get_integer(name)
        if kept != value:
            raise refused(f"{name} was set to {value:.10g}, but the camera kept {kept}")

    def _number(self, name, value, bounds_of, write):
        """A value the camera may round; `bounds_of` and `write` know the ways of the different makers."""
        if isinstance(self._camera.get_device().get_feature(name), Aravis.GcInteger):
            return self._integer(name, value)
        bounds = bounds_of()
        if not bounds.min <= value <= bounds.max:
            allowed = f"{bounds.min:.10g} to {bounds.max:.10g}"
            raise refused(f"{name} cannot be {value:.10g}: the camera takes {allowed}")
        return write(value)

    def _pixel_format(self, wanted):
        camera = self._camera
        here = set(camera.dup_available_pixel_formats())
        usable = {name: code for code, (name, _) in PIXEL_FORMATS.items() if code in here}
        readable = ", ".join(usable) or "none"
        if wanted is not None:
            if wanted not in usable:
                raise refused(f"PixelFormat cannot be {wanted}: of what the camera has we read {readable}")
            camera.set_pixel_format(usable[wanted])
        now = PIXEL_FORMATS.get(camera.get_pixel_format())
        if now is None or wanted not in (None, now[0]):
            name = camera.get_pixel_format_as_string()
            raise refused(f"PixelFormat is {name}, which is not read: choose one of {readable}")
        return now[1]

    def _region(self, x, y, width, height):
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
                raise refused(f"the camera has no {offset}, so its region cannot be moved")
            largest = self._camera.get_integer_bounds(size).max
            self._integer(size, wanted)
            if at + wanted > largest:
                raise refused(f"{offset} {at:.10g} and {size} {wanted:.10g} go beyond the sensor, which has {largest}",
                )
            if movable:
                self._integer(offset, at)

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
