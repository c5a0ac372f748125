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
    -- Triggers name their functions by oid, so they call the renamed ones. A function is renamed for the key of a table that calls it;
    -- postern.repair() sets its source, and gives another function to a table of another key.
    alter function postern.log_truncate() rename to write_outbox_truncate;
    for renamed in
      select
        pg_proc.oid::regprocedure as function,
        (
          select 'write_outbox_' || left(encode(sha256(convert_to(postern.key_expression(tracked.relation), 'UTF8')), 'hex'), 40)
          from postern.tracked_relations as tracked
          join pg_catalog.pg_trigger on tgrelid = tracked.relation and tgfoid = pg_proc.oid
          limit 1
        ) || coalesce(substring(pg_proc.proname from '_update$'), '') as name
      from pg_catalog.pg_proc
      where pg_proc.pronamespace = 'postern'::regnamespace and pg_proc.proname ~ '^log_[0-9a-f]{12}(_update)?$'
    loop
      if renamed.name is not null then
        execute format('alter function %s rename to %I', renamed.function, renamed.name);
      elsif exists (select from pg_catalog.pg_trigger where tgfoid = renamed.function) then
        -- Called by a table that is not tracked any more.
        execute replace(pg_get_functiondef(renamed.function), 'postern.changes', 'postern.outbox');
      else
        execute format('drop function %s', renamed.function);
      end if;
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
    -- tag: the oid of the table that was written, or 'catalog'. Before 0.2.0, the name of the table.
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

  create table postern.tracking_failures (
    relation  oid primary key,
    reason    text not null,
    failed_at timestamptz not null default clock_timestamp()
  );
  -- A publication "for all tables" refuses to delete from a table without a replica identity, at any wal_level. The outbox has no
  -- key, which writers would pay for. This costs a row's text in the WAL per pruned row, and only where wal_level is logical.
  alter table postern.outbox replica identity full;

  comment on table postern.tracked_relations is
  'Tables whose changes are written to the outbox. Of partitions and inheritance children, their root. Written by postern.track and untrack.';
  comment on table postern.tracked_schemas is
  'Schemas whose new tables are tracked from the start. Written by postern.track_schema and untrack_schema.';
  comment on table postern.tracking_failures is
  'Tables whose triggers an event trigger could not bring up to date. Written by event triggers, and listed by postern.status.';
  comment on table postern.outbox is
  'What each transaction changed, under its top-level transaction id. Read by postern.changes_since.';
  comment on table postern.horizon is
  'Rows of the outbox below pruned_below are gone. All transactions below prune_next had ended at noted_at: the next rows to go.';
  comment on table postern.cacheable_functions is
  'Functions whose results follow from their arguments, the relations they read and the claims. definition: the declared version. Written by postern.declare_cacheable.';
end
$migration$;
