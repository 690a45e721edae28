"""Model files and everything that runs a model; never imports torch."""
