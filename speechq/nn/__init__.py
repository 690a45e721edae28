"""Recurrent networks for speech; every layer takes and returns its state explicitly."""
