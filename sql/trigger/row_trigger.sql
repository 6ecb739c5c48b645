CREATE TRIGGER %{name} AFTER %{event} ON %{table}
FOR EACH ROW%{when} EXECUTE FUNCTION %{function}()
