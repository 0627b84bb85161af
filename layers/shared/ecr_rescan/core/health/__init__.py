"""Whether a deployment does what it is for: what it notes of itself, and what is wrong with it."""
