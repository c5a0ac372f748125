-- Each program begins with this file: one migrator at a time, schema postern, and the record of what was applied.

do $$
begin
  if current_setting('server_version_num')::integer < 150000 then
    raise exception 'PostgreSQL 15 or newer is needed, this is %', current_setting('server_version');
  end if;
  if to_regrole('postern') is null then
    raise exception 'the role postern is missing'
      using hint = 'create role postern nologin noinherit; grant postern to authenticator; where authenticator is the role that PostgREST logs in as.';
  end if;
  -- Held until the transaction ends. Every other migrator waits here.
  perform pg_advisory_xact_lock(1886352500, 1);
  perform set_config('client_min_messages', 'warning', true);
  -- A migrator that waits for a table makes every later writer of that table wait. Half of the default deadlock_timeout, so
  -- that in a deadlock the migrator fails and no writer does. `postern migrate` tries again.
  perform set_config('lock_timeout', '400ms', true);
  -- "if not exists" would need the right to create schemas even where the schema exists.
  if to_regnamespace('postern') is null then
    create schema postern;
    comment on schema postern is 'Private: what the gateway itself needs. Never exposed to callers.';
  end if;
  if to_regclass('postern.programs') is null then
    create table postern.programs (
      program    text primary key,
      version    text not null,
      applied_at timestamptz not null default now()
    );
    comment on table postern.programs is 'The programs that `postern migrate` applied, each with the version of its code.';
    create table postern.migrations (
      program     text not null,
      number      integer not null,
      name        text not null,
      is_breaking boolean not null,
      applied_at  timestamptz not null default now(),
      primary key (program, number)
    );
    comment on table postern.migrations is
    'The numbered migrations that were applied. is_breaking: code of an older version fails or answers wrongly after it.';
  end if;
end
$$;

create or replace function postern.begin_program(program text, version text, newest integer)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  ahead integer;
  is_breaking boolean;
begin
  if not exists (
    select from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_backend_pid() and classid = 1886352500 and objid = 1
  ) then
    raise exception 'this has to run in one transaction' using hint = 'psql --single-transaction --set=ON_ERROR_STOP=1';
  end if;
  select max(applied.number), bool_or(applied.is_breaking)
  into ahead, is_breaking
  from postern.migrations as applied
  where applied.program = begin_program.program and applied.number > newest;
  if is_breaking then
    raise exception 'the database has migration % of %, version % knows migrations up to % and cannot work with it', ahead, program, version, newest
      using hint = 'Use the version of postern that the database was migrated with, or a newer one.';
  elsif ahead is not null then
    raise warning 'the database has migration % of %, version % knows migrations up to %: its code is put in place all the same', ahead, program, version, newest;
  end if;
  insert into postern.programs (program, version)
  values (begin_program.program, begin_program.version)
  on conflict on constraint programs_pkey do update
  set version = excluded.version, applied_at = excluded.applied_at;
end
$$;
comment on function postern.begin_program(text, text, integer) is
'Refuses a database with a breaking migration that is newer than the newest of this version, and records the version.';

create or replace function postern.begin_migration(program text, number integer, name text, is_breaking boolean default false)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into postern.migrations (program, number, name, is_breaking)
  values (begin_migration.program, begin_migration.number, begin_migration.name, begin_migration.is_breaking)
  on conflict on constraint migrations_pkey do nothing;
  return found;
end
$$;
comment on function postern.begin_migration(text, integer, text, boolean) is 'Records a migration. False where it was applied already.';

revoke all on function postern.begin_program(text, text, integer), postern.begin_migration(text, integer, text, boolean) from public;
