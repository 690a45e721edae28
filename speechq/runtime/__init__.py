"""Model files and everything that runs a model; never imports torch."""

from speechq.runtime.decoder import BeamDecoder

__all__ = ["BeamDecoder"]
