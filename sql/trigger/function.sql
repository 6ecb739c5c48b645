CREATE OR REPLACE FUNCTION %{name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
%{settings}
AS %{body}
