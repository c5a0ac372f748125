-- A running PostgREST learns of a changed schema by itself: it listens on the channel pgrst.

-- migrate:up

create function private.reload_after_ddl()
returns event_trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Temporary tables come and go with every session that uses them.
  if exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
comment on function private.reload_after_ddl() is 'Tells PostgREST that something was created or altered.';

create function private.reload_after_drop()
returns event_trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if exists (
    select
    from pg_catalog.pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
      and dropped.object_type in (
        'schema', 'table', 'table column', 'table constraint', 'foreign table', 'view', 'materialized view',
        'function', 'type', 'domain constraint', 'cast', 'rule'
      )
  ) then
    notify pgrst, 'reload schema';
  end if;
end
$$;
comment on function private.reload_after_drop() is 'Tells PostgREST that something was dropped.';

-- Only the commands that PostgREST's schema cache depends on: REFRESH MATERIALIZED VIEW, for one, must not reload it.
create event trigger reload_after_ddl on ddl_command_end
  when tag in (
    'CREATE SCHEMA', 'ALTER SCHEMA',
    'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE',
    'CREATE FOREIGN TABLE', 'ALTER FOREIGN TABLE',
    'CREATE VIEW', 'ALTER VIEW',
    'CREATE MATERIALIZED VIEW', 'ALTER MATERIALIZED VIEW',
    'CREATE FUNCTION', 'ALTER FUNCTION',
    'CREATE TYPE', 'ALTER TYPE', 'CREATE DOMAIN', 'ALTER DOMAIN', 'CREATE CAST',
    'CREATE RULE', 'COMMENT'
  )
  execute function private.reload_after_ddl();

create event trigger reload_after_drop on sql_drop
  execute function private.reload_after_drop();

-- migrate:down
drop event trigger reload_after_drop;
drop event trigger reload_after_ddl;
drop function private.reload_after_drop();
drop function private.reload_after_ddl();
