"""What the service knows and decides, as pure functions and values: no AWS, no clock, no environment, no chance."""
