"""Recurrent layers: one file a cell; their loops over the time steps, forward and back."""
