
    nch_rings boolean; -- NULL: it does not append, but as `Notify` does, for something failed
