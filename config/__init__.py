"""From a Hydra config to what it says: composed, checked and built once."""
