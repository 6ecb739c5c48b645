
-- The channel is suspended.
BEGIN
    RETURN NULL;
END
