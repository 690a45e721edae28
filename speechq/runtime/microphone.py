"""Sound from a microphone, through PortAudio (extra ``mic``)."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speechq.errors import ConfigError, DataError

FloatArray = NDArray[np.float32]
_QUIETEST_DB = -60.0
_SILENT_SECONDS = 1.0  # a microphone that gives nothing for so long is looked after


@contextmanager
def microphone(device: str | None = None) -> Iterator[tuple[Iterator[FloatArray], int]]:
    """Pieces of sound [samples] as they are heard, and their rate; ``device`` is a name or a number.

    Raises ConfigError where the package, PortAudio or the device is missing; the pieces raise DataError when
    the device is gone.
    """
    sound = _portaudio()
    heard: queue.Queue[FloatArray] = queue.Queue()

    def keep(data: Any, frames: int, time: Any, status: Any) -> None:
        heard.put(np.array(data[:, 0], np.float32))

    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        rate = int(sound.query_devices(chosen, "input")["default_samplerate"])
        opened = sound.InputStream(rate, device=chosen, channels=1, dtype="float32", callback=keep)
        opened.start()
    except (sound.PortAudioError, ValueError) as error:
        raise ConfigError(_no_device(sound, device, error)) from None

    def pieces() -> Iterator[FloatArray]:
        while True:
            try:
                waiting = [heard.get(timeout=_SILENT_SECONDS)]
            except queue.Empty:
                if opened.active:
                    continue
                raise DataError("the microphone gives no more sound; was it unplugged?") from None
            while not heard.empty():
                waiting.append(heard.get())
            yield np.concatenate(waiting)

    try:
        yield pieces(), rate
    finally:
        opened.close()


def _portaudio() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError:
        raise ConfigError(
            "the microphone needs the package sounddevice: pip install 'speechq[mic]'"
        ) from None
    except OSError:
        raise ConfigError(
            "the microphone needs the library PortAudio, which is not installed "
            "(Debian and Ubuntu: apt install libportaudio2; Fedora: dnf install portaudio)"
        ) from None
    return sounddevice


def _no_device(sound: Any, device: str | None, error: Exception) -> str:
    try:
        names = [str(one["name"]) for one in sound.query_devices() if one["max_input_channels"] > 0]
    except sound.PortAudioError:
        names = []
    if not names:
        return f"there is no microphone: PortAudio finds no input device ({error})"
    wanted = "the default microphone" if device is None else f"the microphone {device!r}"
    return f"{wanted} cannot be used ({error}); there are: {', '.join(names)}"


def level(samples: FloatArray) -> float:
    """How loud ``samples`` in [-1, 1] are: 0 at -60 dB of full scale and below, 1 at full scale."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    decibel = 10 * np.log10(max(power, 1e-12))
    return float(np.clip(1 - decibel / _QUIETEST_DB, 0.0, 1.0))
