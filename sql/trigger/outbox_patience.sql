
    SET LOCAL lock_timeout = 0; -- until the end of this function: what a lookup may not wait for is behind us
