DO $nch$ DECLARE m text := %{marker}; o json := (m || '"":0}')::json; f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = to_regnamespace('notifychannel')
    AND starts_with(obj_description(oid, 'pg_proc'), m)
  LOOP EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP;
  IF to_regclass('notifychannel.queue') IS NULL THEN RETURN; END IF;
  PERFORM notifychannel.drop_consumer(id, true) FROM notifychannel.consumer
    WHERE (installation, namespace, channel) = (o->>'installation', o->>'namespace', o->>'name'); END $nch$;
