
    nch_appends boolean := false; -- else: as `Notify` does where something fails
    nch_rings boolean := false;
