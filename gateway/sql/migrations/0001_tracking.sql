-- The tables of tracking. A database that has them from db/migrations/0016_tracking.sql (before 0.2.0) keeps their rows and its
-- triggers: tables, columns and trigger functions are renamed, and no lock is taken on a tracked table.

do $migration$
declare
  is_adopted boolean := to_regclass('postern.changes') is not null;
  renamed record;
begin
  if not postern.begin_migration('postern', 1, 'tracking') then
    -- A later run: the writers that the view below was made for have ended.
    drop view if exists postern.changes;
    return;
  end if;

  if is_adopted then
    -- First, so that the lock on it, which waits for all writers, is not taken while other locks are held.
    alter table postern.changes rename to outbox;
    alter index postern.changes_xid rename to outbox_xid;
    -- A writer that called its trigger before this transaction commits finds the table under its old name.
    create view postern.changes as select outbox.xid, outbox.tag, outbox.rows from postern.outbox;
    alter table postern.tracked_relations rename staleness to max_staleness;
    alter table postern.tracked_relations rename constraint staleness_is_positive to max_staleness_is_positive;
    alter table postern.tracked_schemas rename staleness to max_staleness;
    alter table postern.tracked_schemas rename constraint staleness_is_positive to max_staleness_is_positive;

    for renamed in
      select pg_constraint.conname as name
      from pg_catalog.pg_constraint
      where pg_constraint.conrelid = 'postern.outbox'::regclass and pg_constraint.conname ~ '^changes_'
    loop
      execute format('alter table postern.outbox rename constraint %I to %I', renamed.name, 'outbox' || substr(renamed.name, 8));
    end loop;
    -- Triggers name their functions by oid, so they call the renamed ones.
    for renamed in
      select pg_proc.oid, pg_proc.proname as name
      from pg_catalog.pg_proc
      where pg_proc.pronamespace = 'postern'::regnamespace and pg_proc.proname ~ '^log_([0-9a-f]{12}(_update)?|truncate)$'
    loop
      execute format('alter function postern.%I() rename to %I', renamed.name, 'write_outbox' || substr(renamed.name, 4));
      execute replace(pg_get_functiondef(renamed.oid), 'postern.changes', 'postern.outbox');
    end loop;
    drop view postern.function_facts, postern.relation_facts, postern.dependencies, postern.type_functions, postern.zoned_types,
      postern.timed_types, postern.type_parts, postern.expressions;
    drop function postern.problems_in(text, text, oid[]), postern.trigger_problems(oid[]), postern.logger_of(text, text),
      postern.make_loggers(regclass), postern.track(regclass, interval), postern.track_schema(regnamespace, interval),
      postern.is_watched(), postern.log_start(), postern.log_ddl(), postern.log_drop(), postern.epoch(), postern.catalog(text[]),
      postern.catalog_version();
  else
    create table postern.tracked_relations (
      relation      regclass primary key,
      max_staleness interval constraint max_staleness_is_positive check (max_staleness > interval '0')
    );
    create table postern.tracked_schemas (
      schema        regnamespace primary key,
      max_staleness interval constraint max_staleness_is_positive check (max_staleness > interval '0')
    );
    -- Append-only: writers never wait for each other here.
    -- rows: the keys of the changed rows, some of them twice; '*' or more than 100 keys: any row of the relation; null: no row.
    -- Logged in the WAL like any table. An unlogged one would save a fiftieth of what a trigger costs, but a crash or a failover would
    -- empty it while a prepared transaction lives on, and the commit of that transaction would be reported to no one.
    create table postern.outbox (
      xid  xid8 not null default pg_current_xact_id(),
      tag  text collate "C" not null,
      rows text[] collate "C"
    );
    create index outbox_xid on postern.outbox (xid);
    create table postern.horizon (
      is_only      boolean primary key default true constraint there_is_one_horizon check (is_only),
      pruned_below xid8 not null,
      prune_next   xid8 not null,
      noted_at     timestamptz not null
    );
    insert into postern.horizon (pruned_below, prune_next, noted_at)
    select '0', pg_snapshot_xmin(pg_current_snapshot()), clock_timestamp();
    create table postern.cacheable_functions (
      function   regprocedure primary key,
      reads      regclass[] not null,
      claims     text[] not null,
      definition text not null
    );
  end if;

  -- A publication "for all tables" refuses to delete from a table without a replica identity, at any wal_level. The outbox has no
  -- key, which writers would pay for. This costs a row's text in the WAL per pruned row, and only where wal_level is logical.
  alter table postern.outbox replica identity full;

  comment on table postern.tracked_relations is
  'Tables whose changes are written to the outbox. Of partitions and inheritance children, their root. Written by postern.track and untrack.';
  comment on table postern.tracked_schemas is
  'Schemas whose new tables are tracked from the start. Written by postern.track_schema and untrack_schema.';
  comment on table postern.outbox is
  'What each transaction changed, under its top-level transaction id. Read by postern.changes_since.';
  comment on table postern.horizon is
  'Rows of the outbox below pruned_below are gone. All transactions below prune_next had ended at noted_at: the next rows to go.';
  comment on table postern.cacheable_functions is
  'Functions whose results follow from their arguments, the relations they read and the claims. definition: the declared version. Written by postern.declare_cacheable.';
end
$migration$;
