"""Reading recordings: any format of libsndfile, and shorten-compressed NIST SPHERE by sph2pipe."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from speechq.errors import DataError

SAMPLE_RATE = 16000
_SPHERE = b"NIST_1A"
_MOST_VALUES = 1 << 20
_REFUSED = (soundfile.SoundFileError, OSError, RuntimeError)


def read_audio(path: str | Path, sample_rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    """Read a recording as float32 samples in [-1, 1], shape [samples], at ``sample_rate`` per second.

    Channels are averaged; another rate is converted in one piece by soxr (HQ). What overshoots full scale, as
    lossy formats and the resampler do, is clipped. Raises DataError for a file that is missing, damaged or
    empty.
    """
    source = Path(path)
    try:
        samples, rate = soundfile.read(_opened(source), dtype="float32", always_2d=True)
    except _REFUSED as error:
        raise _unreadable(source, error) from None
    if not len(samples):
        raise DataError(f"{source}: the recording holds no samples")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(mono).all():
        raise DataError(f"{source}: the recording holds samples that are not numbers")
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate, quality="HQ")
    return np.clip(np.ascontiguousarray(mono, dtype=np.float32), -1.0, 1.0)


def audio_blocks(
    path: str | Path, seconds: float, *, programs: bool = True
) -> Iterator[tuple[npt.NDArray[np.float32], int]]:
    """Pieces of at most ``seconds`` and a million values of a recording, float32 [samples, channels] as they
    are in the file, and their rate.

    Raises DataError, maybe after some pieces, for a file that is missing, damaged or empty, and without
    ``programs`` for one that only an external program can read.
    """
    source = Path(path)
    if not programs and _is_compressed_sphere(source):
        raise DataError(f"{source}: is a shorten-compressed NIST SPHERE file; expected a plain one")
    try:
        with soundfile.SoundFile(_opened(source)) as opened:
            # Whatever rate and number of channels a header claims.
            most = max(1, _MOST_VALUES // opened.channels)
            size, count = min(max(1, round(seconds * opened.samplerate)), most), 0
            while len(samples := opened.read(size, dtype="float32", always_2d=True)):
                if not np.isfinite(samples).all():
                    raise DataError(f"{source}: the recording holds samples that are not numbers")
                count += len(samples)
                yield samples, opened.samplerate
    except _REFUSED as error:
        raise _unreadable(source, error) from None
    if not count:
        raise DataError(f"{source}: the recording holds no samples")


def _opened(source: Path) -> Path | io.BytesIO:
    """What libsndfile can read of a recording."""
    return io.BytesIO(_sph2pipe(source)) if _is_compressed_sphere(source) else source


def audio_duration(path: str | Path) -> float:
    """Length of a recording in seconds, from its header alone."""
    source = Path(path)
    header = _sphere_header(source)
    if _compressed(header):
        try:
            return int(header["sample_count"]) / int(header["sample_rate"])
        except (KeyError, ValueError, ZeroDivisionError):
            raise DataError(f"{source}: the SPHERE header lacks sample_count or sample_rate") from None
    try:
        info = soundfile.info(str(source))
    except _REFUSED as error:
        raise _unreadable(source, error) from None
    return float(info.frames / info.samplerate)


def _unreadable(source: Path, error: Exception) -> DataError:
    """The sentence for a file that libsndfile refuses."""
    if not source.exists():
        return DataError(f"{source}: there is no such recording")
    if source.is_dir():
        return DataError(f"{source}: is a folder, not a recording")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(
        f"{source}: cannot be read as audio ({reason}); WAV, FLAC, OGG, MP3 and NIST SPHERE files can"
    )


def _sphere_header(source: Path) -> dict[str, str]:
    """The fields of a NIST SPHERE header; empty for any other file."""
    try:
        with source.open("rb") as stream:
            if stream.read(len(_SPHERE)) != _SPHERE:
                return {}
            head = stream.read(4096).decode("latin-1")
    except OSError as error:
        raise _unreadable(source, error) from None
    fields = {}
    for line in head.split("end_head")[0].splitlines():
        parts = line.split(None, 2)
        if len(parts) == 3:
            fields[parts[0]] = parts[2].strip()
    return fields


def _compressed(header: dict[str, str]) -> bool:
    # sample_coding is "pcm,embedded-shorten-v2.00" there; libsndfile knows only plain samples.
    return "embedded" in header.get("sample_coding", "")


def _is_compressed_sphere(source: Path) -> bool:
    return _compressed(_sphere_header(source))


def _sph2pipe(source: Path) -> bytes:
    """The whole recording as RIFF, decoded by the external program sph2pipe."""
    program = shutil.which("sph2pipe")
    if program is None:
        raise DataError(
            f"{source}: is a shorten-compressed NIST SPHERE file; put the program sph2pipe on the "
            "PATH to read it (source at https://github.com/burrmill/sph2pipe or https://www.openslr.org/3)"
        )
    done = subprocess.run([program, "-f", "wav", str(source)], capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = done.stderr.decode("utf-8", "replace").strip() or f"exit status {done.returncode}"
        raise DataError(f"{source}: sph2pipe cannot decode it ({reason})")
    return done.stdout
