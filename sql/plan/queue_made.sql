DO %{tag}
BEGIN
    -- What made the queue and what was made: where either is another by now, the next pass puts it right.
    EXECUTE 'COMMENT ON FUNCTION notifychannel.claimers_look() IS ' || pg_catalog.quote_literal(%{version} || ' ' || (
%{state}
    ));
END %{tag}
