"""One function a step: load through a port, call the domain, save through a port."""
