DO %{tag}
BEGIN
    -- Who wants what, by the resource. A row keeps its number, and what waits for it, whatever else changes; who is new,
    -- or was away, looks at everything.
%{rows}
END %{tag}
