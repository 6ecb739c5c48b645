-- The triggers as they were written by hand: one NOTIFY for each row.
CREATE FUNCTION notify_generation_update() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(coalesce(NEW, OLD));
    of_session bigint := coalesce(changed ->> 'session_id', changed ->> 'id');
BEGIN
    PERFORM pg_notify('generation_updates', json_build_object(
        'table', TG_TABLE_NAME,
        'action', TG_OP,
        'session_id', of_session,
        'project_id', coalesce((changed ->> 'project_id')::bigint,
            (SELECT project_id FROM generation_sessions WHERE id = of_session)),
        'timestamp', extract(epoch FROM clock_timestamp())
    )::text);
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON generation_sessions
    FOR EACH ROW EXECUTE FUNCTION notify_generation_update();
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON generation_todos
    FOR EACH ROW EXECUTE FUNCTION notify_generation_update();
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON generation_tool_calls
    FOR EACH ROW EXECUTE FUNCTION notify_generation_update();
CREATE TRIGGER notify AFTER INSERT OR UPDATE OR DELETE ON generation_notes
    FOR EACH ROW EXECUTE FUNCTION notify_generation_update();
