"""Sample repositories of every kind that the service meets, and a script of what changes in them from day to day."""
