        BEGIN
            IF pg_notification_queue_usage() > 0.5
                OR NOT has_function_privilege('pg_catalog.pg_notify(text, text)'::regprocedure, 'EXECUTE') THEN
                PERFORM nextval('notifychannel.skips');
                RETURN NULL;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RETURN NULL; -- not even PostgreSQL's own functions may be called here: the poll remains
        END;
