
        nch_rings := NULL;
