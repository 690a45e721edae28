"""Scheme strings, quantizers and the fixed-point reference."""
