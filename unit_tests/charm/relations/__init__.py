"""The relations, as their other sides really speak."""
