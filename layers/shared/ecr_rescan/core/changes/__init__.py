"""What was found in a repository, what that changed, and whom it concerns: the rules of change."""
