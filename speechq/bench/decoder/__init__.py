"""How fast and how well the decoder searches, beside other decoders on the same log-probabilities."""
