"""Runs a recipe's stages, skips what is up to date."""
