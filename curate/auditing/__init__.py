"""How well a run finds corruptions that were injected into real images."""
