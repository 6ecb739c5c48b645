DO $nch$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'notifychannel' AND starts_with(obj_description(p.oid, 'pg_proc'), %{marker})
  LOOP EXECUTE 'DROP FUNCTION ' || f || ' CASCADE'; END LOOP; END $nch$;
