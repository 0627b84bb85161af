"""What the service is delivered with: a bill of the layer's packages, and what is known against the locked ones."""
