"""One module per step, each frozen from the day it was released."""
