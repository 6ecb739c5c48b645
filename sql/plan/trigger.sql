DO %{tag}
BEGIN
    -- not CREATE OR REPLACE TRIGGER, which would enable a trigger that a person has disabled
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger
        WHERE tgrelid = %{table}::pg_catalog.regclass
            AND tgname = %{name}
            AND tgfoid = %{function}::pg_catalog.regprocedure
    ) THEN
        %{create};
    END IF;
END %{tag}
