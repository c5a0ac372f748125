-- How the Worker learns that PostgREST has loaded the schema as it is now: it makes a table with a new name, and asks PostgREST
-- whether it knows that table. PostgREST reads the tables first when it loads the schema, each query by a snapshot of its own. So a
-- PostgREST that knows the table has read everything after the table was made.

create or replace function postern.schema_markers()
returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
return array(
  select pg_class.oid
  from pg_catalog.pg_class
  where pg_class.relnamespace = 'postern'::regnamespace and pg_class.relkind = 'r' and pg_class.relname ~ '^schema_marker_[0-9]+_[0-9a-f]{32}$'
);
comment on function postern.schema_markers() is 'The tables that postern.mark_schema made.';

-- No answer depends on such a table, so the event triggers write nothing: see postern.is_unrelated.
create or replace function postern.mark_schema()
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- A dump may hold the old tables for hours.
set lock_timeout = '100ms'
as $$
declare
  marker text := format('schema_marker_%s_%s', floor(extract(epoch from clock_timestamp())), replace(gen_random_uuid()::text, '-', ''));
  old name;
begin
  for old in
    select class.relname
    from pg_catalog.pg_class as class
    where class.oid = any (postern.schema_markers())
      -- A younger one may be asked for by another gateway.
      and split_part(class.relname::text, '_', 3)::bigint < extract(epoch from clock_timestamp()) - 3600
  loop
    begin
      execute format('drop table postern.%I', old);
    exception
      when lock_not_available or undefined_table then null;
    end;
  end loop;
  execute format('create table postern.%I ()', marker);
  notify pgrst, 'reload schema';
  return jsonb_build_object('marker', marker);
end
$$;
comment on function postern.mark_schema() is 'Makes a table with a new name and tells PostgREST to load the schema. A PostgREST that knows the table has loaded everything that was committed before.';
