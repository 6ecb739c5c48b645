
    nch_rings boolean; -- NULL: the table could not be had, so it does as `Notify` does
