"""Manifests, corpora, features, batches and augmentation."""
