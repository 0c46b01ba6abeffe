"""The substation service: owns its sessions, shares its capacity among them, meters their energy."""
