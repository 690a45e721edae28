"""Measurements: error rates with intervals, the report, and the benchmarks of engine, decoder and server."""
