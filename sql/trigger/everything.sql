            nch_keys := '{}';
