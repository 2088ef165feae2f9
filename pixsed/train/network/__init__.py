"""Networks, and the physics inside the exported graph."""
