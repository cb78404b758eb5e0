"""Heat maps, activations, localisation and smoothness of layers."""
