"""Training, fixed-point retraining, checkpoints."""
