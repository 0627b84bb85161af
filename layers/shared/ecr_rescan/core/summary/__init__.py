"""The state of everything that is recorded, added up, in the forms that people and scripts ask for."""
