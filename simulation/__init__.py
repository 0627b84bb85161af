"""The simulation: the real scan cycle on a virtual clock, against strict fakes, with everything drawn from a seed."""
