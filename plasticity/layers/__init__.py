"""Engine 3: networks over time steps as pairs of functions, one forwards and one backwards."""
