"""Low-precision recurrent networks for speech: train, quantize to 2 to 8 bits by retraining, compare."""

__version__ = "0.1.0"
