"""A V4L2 camera, and the list of those that are plugged in."""

import glob
import os
import re

from frames import CameraError
from gstreamer import Gst, Pipeline, element

# Names people and v4l2-ctl use -> GStreamer's.
RAW_FORMATS = {"YUYV": "YUY2", "GREY": "GRAY8", "RGB3": "RGB", "BGR3": "BGR"}


def rate_fraction(rate):
    """29.97 is how people write 30000/1001, and caps fit exactly or not at all."""
    whole = round(rate * 1.001)
    if not rate.is_integer() and abs(rate * 1.001 - whole) < 0.001:
        return whole * 1000, 1001
    return Gst.util_double_to_fraction(rate)


def mode_caps(mode):
    """"MJPG 1280x720 30" as caps; `mode` was checked by the parent."""
    form, size, *rate = mode.split(" ")
    width, height = size.split("x")
    kind = "image/jpeg" if form == "MJPG" else f"video/x-raw,format={RAW_FORMATS.get(form, form)}"
    caps = f"{kind},width={width},height={height}"
    if rate:
        top, bottom = rate_fraction(float(rate[0]))
        caps += f",framerate={top}/{bottom}"
    return Gst.Caps.from_string(caps)


def modes_of(caps):
    """Every fixed size and rate in the caps, best first, as mode_caps takes them."""
    names = {value: name for name, value in RAW_FORMATS.items()}
    modes = []
    for index in range(caps.get_size()):
        text = caps.get_structure(index).to_string()
        width = re.search(r"width=\(int\)(\d+)", text)
        height = re.search(r"height=\(int\)(\d+)", text)
        form = re.search(r"format=\(string\)(\w+)", text)
        if width is None or height is None:
            continue
        if text.startswith("image/jpeg"):
            name = "MJPG"
        elif text.startswith("video/x-raw") and form is not None:
            name = names.get(form.group(1), form.group(1))
        else:
            continue
        rates = re.search(r"framerate=\(fraction\)(\{[^}]*\}|\d+/\d+)", text)
        for top, bottom in re.findall(r"(\d+)/(\d+)", rates.group(1)) if rates else []:
            fps = f"{int(top) / int(bottom):.3f}".rstrip("0").rstrip(".")
            modes.append(f"{name} {width.group(1)}x{height.group(1)} {fps}")
    return list(dict.fromkeys(modes))


def list_usb():
    """One entry for each camera; its id is the name that stays when cameras are plugged elsewhere."""
    monitor = Gst.DeviceMonitor.new()
    monitor.add_filter("Video/Source", None)
    monitor.start()
    lasting = {os.path.realpath(link): link for link in glob.glob("/dev/v4l/by-id/*")}
    cameras = []
    for device in monitor.get_devices():
        properties = device.get_properties()
        path = properties.get_string("device.path") if properties is not None else None
        if path is None or any(camera["address"] == path for camera in cameras):
            continue
        caps = device.get_caps()
        cameras.append(
            {
                "id": lasting.get(os.path.realpath(path), path),
                "name": device.get_display_name(),
                "address": path,
                "modes": [] if caps is None else modes_of(caps),
            }
        )
    monitor.stop()
    return cameras


class UsbSource(Pipeline):
    """options: device, mode ("" for the camera's choice), maxFps."""

    def __init__(self, options, frames, fail):
        super().__init__(options, frames, fail)
        source = element("v4l2src", device=options["device"])
        mode = options.get("mode", "")
        if mode == "":
            self.decode_any(source)
            return
        caps = element("capsfilter", caps=mode_caps(mode))
        if mode.startswith("MJPG"):
            decoder = element("jpegdec")
            self.cap_rate(decoder.get_static_pad("sink"))
            self.add_chain(source, caps, decoder, self.sink)
        else:
            self.cap_rate(caps.get_static_pad("src"))
            self.add_chain(source, caps, self.sink)

    def explain(self, error, debug):
        device = self.options["device"]
        resource = Gst.ResourceError
        if error.matches(resource.quark(), resource.NOT_FOUND):
            return CameraError("CAMERA_LOST", f"there is no camera at {device}")
        if error.matches(resource.quark(), resource.BUSY):
            return CameraError("CAMERA_REFUSED", f"another program uses {device}", "Close it.")
        if error.matches(resource.quark(), resource.OPEN_READ_WRITE):
            hint = "Put the user Node-RED runs as into the group video, and restart Node-RED."
            return CameraError("CAMERA_REFUSED", f"{device} may not be opened", hint)
        if error.matches(Gst.StreamError.quark(), Gst.StreamError.FAILED) and "not-negotiated" in debug:
            hint = "Choose a mode from the list of the camera."
            return CameraError("CAMERA_REFUSED", f"{device} cannot be set to {self.options.get('mode')}", hint)
        return super().explain(error, debug)
