"""The release: what is trained, kept, compared and archived as one."""
