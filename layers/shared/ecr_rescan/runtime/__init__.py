"""What runs inside a function: settings, clock, logging, wiring, and the use cases that join core and adapters."""
