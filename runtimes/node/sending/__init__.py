"""Results on their way to an archive: by C-STORE or STOW-RS, again and again, and confirmed where that is offered."""
