"""Public signals: fetched by StartScan, read by all."""
