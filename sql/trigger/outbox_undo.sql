
        nch_rings := NULL; -- with the block went its lock on the table
