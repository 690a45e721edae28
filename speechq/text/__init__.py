"""Units, text normalization, phone folding and error rates."""
