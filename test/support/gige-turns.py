"""Plays triggers, cancellations and frames to GigeSource in an order no real camera can be made to keep.

Prints what the camera was told and what the parent was told, one JSON line each.
"""

import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib/capture/media"))

import frames as frames_module  # noqa: E402
import gige  # noqa: E402
from gige import Aravis, GigeSource  # noqa: E402


send = frames_module.send


class Camera:
    def __getattr__(self, name):
        return lambda: send({"camera": name})


class Stream:
    def push_buffer(self, _buffer):
        pass


class Buffer:
    """A frame of one pixel whose first packet arrived at `at`."""

    def __init__(self, value, at, status=Aravis.BufferStatus.SUCCESS):
        self._value, self._at, self._status = value, at, status

    def get_status(self):
        return self._status

    def get_system_timestamp(self):
        return int(self._at * 1e9)

    def get_image_pixel_format(self):
        return Aravis.PIXEL_FORMAT_MONO_8

    def get_image_width(self):
        return 1

    get_image_height = get_image_width

    def get_image_padding(self):
        return type("Padding", (), {"x_padding": 0})

    def get_image_data(self):
        return bytes([self._value])


taken = set()


def send_and_note(message):
    send(message)
    taken.add(message.get("took"))


frames_module.send = send_and_note
frames = frames_module.Frames(lambda error: os._exit(1))
source = GigeSource({"camera": "", "onDemand": True}, frames, lambda error: os._exit(1))
source._camera, source._stream = Camera(), Stream()
source._become, source._pixel_format = "gray", Aravis.PIXEL_FORMAT_MONO_8
folder = tempfile.TemporaryDirectory()


def take(id):
    frames.take(id, os.path.join(folder.name, str(id)), 0)
    source.trigger()


def cancel(id):
    frames.cancel(id)
    source.cancelled()


def frame(value, at, **status):
    source._receive_made(gige._Held(source._stream, Buffer(value, at, **status)))


def value_of(id):
    """Waits for the answer, which is given from a thread of its own."""
    while id not in taken:
        time.sleep(0.001)
    with open(os.path.join(folder.name, str(id)), "rb") as file:
        send({"slot": id, "value": file.read()[0]})


# Two triggers at once: one exposure after the other.
take(1)
take(2)
frame(11, time.time())
value_of(1)
frame(12, time.time())
value_of(2)
# Part 3 gives up while the camera exposes for it; its frame comes when part 4 already waits.
take(3)
cancel(3)
begun = time.time()
take(4)
frame(13, begun - 0.01)
frame(14, time.time())
value_of(4)
# Part 5 gives up; its frame comes when nobody waits, and is not kept.
take(5)
cancel(5)
frame(15, time.time())
take(6)
frame(16, time.time())
value_of(6)
# A frame that came broken is the answer to its trigger.
take(7)
frame(17, 0, status=Aravis.BufferStatus.MISSING_PACKETS)
os._exit(0)
