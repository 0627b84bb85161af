"""What the API's functions do: configurations, feeds, summaries, the dashboard."""
