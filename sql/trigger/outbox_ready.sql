
        nch_appends := true;
