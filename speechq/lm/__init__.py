"""Language models: estimating them from text and scoring text with them."""
