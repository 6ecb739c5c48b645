
    nch_rings boolean; -- NULL: the table is not ours for now, so it does as `Notify` does
