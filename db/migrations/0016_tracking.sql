-- Tracking: which tables changed since somebody last asked, and what answers depend on. It is all that the read cache needs.
--
-- This file stands alone: it needs PostgreSQL 15 or newer and a role `postern` that the login of PostgREST may become,
-- and nothing of the other migrations. With your own PostgREST:
--
--   create role postern nologin noinherit; grant postern to authenticator;
--   sed '/^-- migrate:down/,$d' db/migrations/0016_tracking.sql | psql "$DATABASE_URL" -1 -v ON_ERROR_STOP=1
--   select postern.track_schema('api');
--
-- and add `postern` to db-schemas. Run it as the owner of the tables. Without the right to make event triggers it says
-- what is lost, here and in postern.status(), and works without them.

-- migrate:up

do $$
begin
  if current_setting('server_version_num')::integer < 150000 then
    raise exception 'PostgreSQL 15 or newer is needed, this is %', current_setting('server_version');
  end if;
  if to_regrole('postern') is null then
    raise exception 'the role postern is missing'
      using hint = 'create role postern nologin noinherit; grant postern to authenticator;';
  end if;
  -- Asked first: "if not exists" wants the right to create schemas even where there is nothing to create.
  if to_regnamespace('postern') is null then
    create schema postern;
    comment on schema postern is 'Private: what the gateway itself needs. Never exposed to callers.';
  end if;
end
$$;

------------------------------------------------------------------------------------------------------------------------
-- What is tracked

create table postern.tracked_relations (
  relation  regclass primary key,
  staleness interval constraint staleness_is_positive check (staleness > interval '0')
);
comment on table postern.tracked_relations is
'Tables whose changes are logged; of partitions and inheritance children, their root. Written by postern.track and untrack.';

create table postern.tracked_schemas (
  schema    regnamespace primary key,
  staleness interval constraint staleness_is_positive check (staleness > interval '0')
);
comment on table postern.tracked_schemas is 'Schemas whose new tables are tracked from the start. Written by postern.track_schema and untrack_schema.';

-- Append-only: writers never wait for each other here.
-- rows: the keys of the rows, some of them twice; '*', or more than 100: any row of the relation; null: none.
-- Logged in the WAL like any table. An unlogged one would save a fiftieth of what a trigger costs, and be emptied by a crash
-- or a failover while a prepared transaction lives on: what that changed would be reported by nobody when it is committed.
create table postern.changes (
  xid  xid8 not null default pg_current_xact_id(),
  tag  text collate "C" not null,
  rows text[] collate "C"
);
comment on table postern.changes is 'The outbox: what each transaction changed, under its top-level transaction id. Read by postern.changes_since.';
create index changes_xid on postern.changes (xid);

create table postern.horizon (
  is_only      boolean primary key default true constraint there_is_one_horizon check (is_only),
  pruned_below xid8 not null,
  prune_next   xid8 not null,
  noted_at     timestamptz not null
);
comment on table postern.horizon is
'Changes of transactions below pruned_below are gone. All below prune_next had ended at noted_at: the next to go.';
insert into postern.horizon (pruned_below, prune_next, noted_at)
select '0', pg_snapshot_xmin(pg_current_snapshot()), clock_timestamp();

------------------------------------------------------------------------------------------------------------------------
-- Tags
--
--   api.products          some row of the table was changed
--   api.products(5)       the row with the primary key 5 was changed, inserted or deleted
--   api.follows(7,9)      the same, by a key of two columns, in the key's order
--   api.products(*)       any row may have been: truncated, or more rows than are worth naming
--   catalog               anything at all may have: the schema, a policy or a grant changed
--
-- A name or a key value stands as it is when it has only A-Z a-z 0-9 _ -, else in double quotes, with those in it doubled.
-- So no two things share a tag: "*", the empty text, dots, commas and parentheses are always quoted as names and values.
-- A partition or inheritance child has the tag of its root. Key values are the text that a filter `eq` would have;
-- keys of other types than smallint, integer, bigint, uuid, text and varchar are not named: such tables log (*).

-- Its names were looked up when it was made, so it needs no search_path of its own, and is made part of what calls it for each row.
create function postern.quoted(value text)
returns text
language sql immutable
return case
  when value collate "C" ~ '^[A-Za-z0-9_-]+$' then value
  else '"' || replace(value, '"', '""') || '"'
end;
comment on function postern.quoted(text) is 'A name or a key value as part of a tag.';

-- These four are asked for each relation. In plpgsql, they are planned once and not each time, which took most of what the catalog takes.

-- Its ancestors that have no parent. More than one: by multiple inheritance.
create function postern.roots_of(relation oid)
returns oid[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    with recursive ancestors (oid) as (
      select relation
      union
      select pg_inherits.inhparent
      from ancestors
      join pg_catalog.pg_inherits on pg_inherits.inhrelid = ancestors.oid
    )
    select array_agg(ancestors.oid order by ancestors.oid)
    from ancestors
    where not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = ancestors.oid)
  );
end
$$;
comment on function postern.roots_of(oid) is 'The relations at the top of the partition or inheritance tree of a relation.';

create function postern.tag_of(relation oid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  root oid := (postern.roots_of(relation))[1];
begin
  return (
    -- Not of pg_class: to a snapshot that is older than somebody's change of it, and our own, it has two rows for one relation.
    select postern.quoted(address.object_names[1]) || '.' || postern.quoted(address.object_names[2])
    from pg_identify_object_as_address('pg_catalog.pg_class'::regclass, root, 0) as address
  );
end
$$;
comment on function postern.tag_of(oid) is 'The tag of a relation.';

-- The key is null where rows cannot be named: no primary key, a type whose text is not one of a kind, or a descendant without the columns.
create function postern.row_key_of(root oid)
returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case when bool_and(is_nameable) then array_agg(name order by position) end
    from (
      select
        attribute.attname::text as name,
        key.position,
        attribute.atttypid in (
          'pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype, 'pg_catalog.int8'::regtype, 'pg_catalog.uuid'::regtype,
          'pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype
        )
        -- Two texts can be equal under a collation that is not deterministic.
        and not exists (
          select from pg_catalog.pg_collation
          where pg_collation.oid = attribute.attcollation and not pg_collation.collisdeterministic
        ) as is_nameable
      from pg_catalog.pg_index as index
      cross join unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
      where index.indrelid = root
        and index.indisprimary
        and index.indisvalid
        and key.position <= index.indnkeyatts
    ) as key_column
  );
end
$$;
comment on function postern.row_key_of(oid) is 'The columns that name a row in tags, or null.';

-- The expression that makes the key of a row out of its columns. Qualified: a column may be called like a variable of plpgsql.
create function postern.key_expression(root oid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select case
      when count(*) = 0 then quote_literal('*')
      -- A tag should stay short.
      when bool_or(is_text) then format(
        'case when %s then %L else %s end',
        string_agg(format('octet_length(this.%I) > 200', name), ' or ' order by position) filter (where is_text),
        '*',
        string_agg(value, $s$ || ',' || $s$ order by position)
      )
      else string_agg(value, $s$ || ',' || $s$ order by position)
    end
    from (
      select
        key.name,
        key.position,
        type.is_text,
        case
          when type.is_text then format('postern.quoted(this.%I)', key.name)
          -- Not by a cast: there may be somebody's own.
          else format('textin(%s(this.%I))', output.typoutput, key.name)
        end as value
      from unnest(postern.row_key_of(root)) with ordinality as key (name, position)
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = root and attribute.attname = key.name
      join pg_catalog.pg_type as output on output.oid = attribute.atttypid
      cross join lateral (select attribute.atttypid in ('pg_catalog.text'::regtype, 'pg_catalog.varchar'::regtype)) as type (is_text)
    ) as key_column
  );
end
$$;
comment on function postern.key_expression(oid) is 'SQL for the key of a row, which it calls this, as tags have it.';

------------------------------------------------------------------------------------------------------------------------
-- Logging
--
-- Two trigger functions for each shape of key ("id" is one, "follower, followed" another), for updates and for the rest. Every
-- writer pays for what they do, and most of that is starting a statement: so there is one of them, as plain as can be, no IF,
-- and what can be left to the reader is. The statements are static, so that their plans are kept.

create function postern.logger_of(key_expression text, event text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
return case event
  when 'truncate' then 'log_truncate'
  else 'log_' || left(md5(key_expression), 12) || case event when 'update' then '_update' else '' end
end;
comment on function postern.logger_of(text, text) is 'The name of the trigger function for an event on tables with a key.';

create function postern.log_truncate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into postern.changes (tag, rows) values (tg_argv[0], '{*}');
  return null;
end
$$;
comment on function postern.log_truncate() is 'Trigger: logs that any row may have changed.';

create function postern.make_loggers(root regclass)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  key text := postern.key_expression(root);
  logger record;
  extension name;
begin
  for logger in
    select made.name, made.keys
    from (
      values
        (postern.logger_of(key, 'insert'), format('select %s from changed_rows as this', key)),
        -- A key that is changed names two rows.
        (postern.logger_of(key, 'update'), format('select %1$s from new_rows as this union all select %1$s from old_rows as this', key))
    ) as made (name, keys)
    where to_regprocedure(format('postern.%I()', made.name)) is null
  loop
    begin
      -- Security definer: whoever writes the table may not write the outbox.
      execute format(
        $create$
        create function postern.%1$I()
        returns trigger
        language plpgsql volatile security definer
        set search_path = pg_catalog, pg_temp
        as $body$
begin
  insert into postern.changes (tag, rows)
  select tg_argv[0], changed.keys
  from (
    select array(select one.key from (%2$s) as one (key) limit %3$s)
    -- so that it is made once
    offset 0
  ) as changed (keys)
  -- Statement triggers fire for statements that found no row, too.
  where cardinality(changed.keys) > 0;
  return null;
end
$body$
        $create$,
        logger.name,
        logger.keys,
        -- 101 of them mean any. Where rows have no key, each of them means that.
        case when postern.row_key_of(root) is null then 1 else 101 end
      );
      execute format('revoke execute on function postern.%I() from public', logger.name);
      execute format('comment on function postern.%I() is %L', logger.name,
        format('Trigger: logs which rows changed, by %s.', coalesce(array_to_string(postern.row_key_of(root), ', '), 'nothing but the table')));
      -- Made by the script of an extension it would be a part of it, and go with it.
      for extension in
        select pg_extension.extname
        from pg_catalog.pg_depend
        join pg_catalog.pg_extension on pg_extension.oid = pg_depend.refobjid
        where pg_depend.classid = 'pg_catalog.pg_proc'::regclass
          and pg_depend.objid = to_regprocedure(format('postern.%I()', logger.name))
          and pg_depend.deptype = 'e'
      loop
        execute format('alter extension %I drop function postern.%I()', extension, logger.name);
      end loop;
    exception
      -- Another session has just made it.
      when unique_violation or duplicate_function then null;
    end;
  end loop;
end
$$;
comment on function postern.make_loggers(regclass) is 'Makes the trigger functions for a table, where they are not there.';

-- Everything below a root, the root included.
create function postern.family_of(root oid)
returns table (relation oid)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive family (oid) as (
    select root
    union
    select pg_inherits.inhrelid
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhparent = family.oid
  )
  select family.oid from family
$$;
comment on function postern.family_of(oid) is 'A root and its partitions or inheritance children.';

-- What is wrong with the triggers of tables and their descendants. For all at once, since the catalog asks for all.
create function postern.trigger_problems(roots oid[])
returns table (root oid, relation oid, event text, problem text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive family (root, relation) as (
    select member.root, member.root
    from unnest(roots) as member (root)
    union
    select family.root, pg_inherits.inhrelid
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhparent = family.relation
  ),
  named as materialized (
    select
      member.root,
      postern.key_expression(member.root) as key,
      convert_to(postern.tag_of(member.root), getdatabaseencoding()) || decode('00', 'hex') as args
    from unnest(roots) as member (root)
  ),
  expected as materialized (
    select
      named.root,
      named.args,
      event.name,
      event.type,
      to_regprocedure(format('postern.%I()', postern.logger_of(named.key, event.name)))::oid as logger
    from named
    -- after, statement level: none of the bits 1 (row) and 2 (before)
    cross join (values ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) as event (name, type)
  )
  select
    family.root,
    class.oid,
    expected.name,
    case
      when class.relkind = 'f' then 'is a foreign table: changes of it are not seen'
      when trigger.oid is null then format('has no trigger postern_%s', expected.name)
      when trigger.tgfoid is distinct from expected.logger
        or trigger.tgargs is distinct from expected.args
        or trigger.tgtype <> expected.type
        or trigger.tgqual is not null
        then format('has a trigger postern_%s that is out of date', expected.name)
      when trigger.tgenabled <> 'A' then format('has a trigger postern_%s that is not ENABLE ALWAYS', expected.name)
      when exists (select from pg_catalog.pg_subscription_rel where pg_subscription_rel.srrelid = class.oid)
        then 'is written by logical replication, which fires no statement triggers'
      -- Who writes to the other parent fires its triggers alone.
      when exists (
        select from pg_catalog.pg_inherits
        where pg_inherits.inhrelid = class.oid
          and not exists (select from family as other where other.root = family.root and other.relation = pg_inherits.inhparent)
      ) then 'inherits from several tables'
    end
  from family
  join expected on expected.root = family.root
  join pg_catalog.pg_class as class on class.oid = family.relation
  left join pg_catalog.pg_trigger as trigger
    on trigger.tgrelid = class.oid and trigger.tgname = 'postern_' || expected.name and not trigger.tgisinternal
  -- Nobody else sees what is in it.
  where class.relpersistence <> 't'
$$;
comment on function postern.trigger_problems(oid[]) is 'For each trigger of tracked tables and their descendants what is wrong with it, or null.';

-- Makes what is missing and replaces what is out of date. A trigger that somebody disabled stays so unless all are to be enabled.
create function postern.make_triggers(root regclass, enable boolean)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
begin
  perform postern.make_loggers(root);
  for made in
    select problem.relation::regclass, problem.event, problem.problem not like '%ENABLE ALWAYS' as is_remade
    from postern.trigger_problems(array[root::oid]) as problem
    where problem.problem like 'has %'
      and (enable or problem.problem not like '%ENABLE ALWAYS')
  loop
    if made.is_remade then
      execute format(
        'create or replace trigger postern_%1$s after %1$s on %2$s %3$s for each statement execute function postern.%4$I(%5$L)',
        made.event,
        made.relation,
        case made.event
          when 'insert' then 'referencing new table as changed_rows'
          when 'delete' then 'referencing old table as changed_rows'
          when 'update' then 'referencing old table as old_rows new table as new_rows'
          else ''
        end,
        postern.logger_of(postern.key_expression(root), made.event),
        postern.tag_of(root)
      );
    end if;
    -- Also where session_replication_role is replica: a restore, for one. ONLY: each partition is handled by itself.
    execute format('alter table only %s enable always trigger postern_%s', made.relation, made.event);
  end loop;
end
$$;
comment on function postern.make_triggers(regclass, boolean) is 'Brings the triggers of a tracked table and its descendants up to date.';

------------------------------------------------------------------------------------------------------------------------
-- For the operator

create function postern.flush()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into postern.changes (tag) values ('catalog')
$$;
comment on function postern.flush() is 'Says that anything may have changed: after writes that no trigger could see.';

create function postern.trackable_root(relation regclass)
returns regclass
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  class pg_catalog.pg_class;
  roots oid[];
begin
  select * into class from pg_catalog.pg_class where pg_class.oid = relation;
  if class.relkind = 'v' then
    raise exception '% is a view', relation
      using errcode = 'wrong_object_type', hint = 'Track the tables that it reads: postern.catalog finds them by itself.';
  elsif class.relkind = 'm' then
    raise exception '% is a materialized view', relation
      using errcode = 'wrong_object_type', hint = 'It need not be tracked: REFRESH MATERIALIZED VIEW is logged by itself.';
  elsif class.relkind = 'f' then
    raise exception '% is a foreign table', relation
      using errcode = 'wrong_object_type', hint = 'Its changes happen elsewhere. Copy it into a table or a materialized view.';
  elsif class.relkind is null or class.relkind not in ('r', 'p') then
    raise exception '% is not a table', relation using errcode = 'wrong_object_type';
  elsif class.relpersistence = 't' then
    raise exception '% is a temporary table', relation using errcode = 'wrong_object_type';
  elsif class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'postern'::regnamespace) then
    raise exception '% is not a table of yours', relation using errcode = 'wrong_object_type';
  end if;
  roots := postern.roots_of(relation);
  if cardinality(roots) > 1 then
    raise exception '% inherits from several tables: %', relation, roots::regclass[]
      using errcode = 'feature_not_supported', hint = 'Its changes cannot be told apart from theirs. Leave it untracked, or give it one root.';
  end if;
  if exists (
    select
    from postern.family_of(roots[1]) as member
    join pg_catalog.pg_class as descendant on descendant.oid = member.relation
    where descendant.relkind = 'f'
  ) then
    raise exception '% has a partition that is a foreign table', roots[1]::regclass
      using errcode = 'wrong_object_type', hint = 'Its changes happen elsewhere. Detach it, or leave the table untracked.';
  end if;
  if roots[1] <> relation then
    raise notice '% belongs to %, which stands for all of its partitions or children', relation, roots[1]::regclass;
  end if;
  return roots[1];
end
$$;
comment on function postern.trackable_root(regclass) is 'What is tracked when a relation is; an error that says what to do, where it cannot be.';

create function postern.track(relation regclass, staleness interval default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  root regclass := postern.trackable_root(relation);
begin
  -- The event triggers leave what happens here alone.
  perform set_config('postern.is_tracking', 'on', true);
  insert into postern.tracked_relations (relation, staleness)
  values (root, track.staleness)
  on conflict on constraint tracked_relations_pkey do update
  set staleness = excluded.staleness;
  perform postern.make_triggers(root, true);
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.track(regclass, interval) is
'Logs the changes of a table, with its partitions and children. staleness: how old an answer from it may be, where that is not the gateway''s default.';

create function postern.drop_triggers(root oid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  member record;
begin
  for member in
    select trigger.tgname as trigger, trigger.tgrelid::regclass as relation
    from postern.family_of(root) as family
    join pg_catalog.pg_trigger as trigger on trigger.tgrelid = family.relation
    where trigger.tgname in ('postern_insert', 'postern_update', 'postern_delete', 'postern_truncate')
  loop
    execute format('drop trigger if exists %I on %s', member.trigger, member.relation);
  end loop;
end
$$;
comment on function postern.drop_triggers(oid) is 'Takes the triggers away from a table and its descendants.';

create function postern.untrack(relation regclass)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  root regclass := (postern.roots_of(relation))[1];
begin
  perform set_config('postern.is_tracking', 'on', true);
  delete from postern.tracked_relations as tracked where tracked.relation in (root, untrack.relation);
  perform postern.drop_triggers(root);
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.untrack(regclass) is 'Logs the changes of a table no longer: answers from it are not cached any more.';

create function postern.track_schema(schema regnamespace, staleness interval default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  class record;
begin
  insert into postern.tracked_schemas (schema, staleness)
  values (track_schema.schema, track_schema.staleness)
  on conflict on constraint tracked_schemas_pkey do update
  set staleness = excluded.staleness;
  for class in
    select pg_class.oid::regclass as relation, pg_class.relkind = 'f' as is_foreign
    from pg_catalog.pg_class
    where pg_class.relnamespace = track_schema.schema
      and pg_class.relkind in ('r', 'p', 'f')
      and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = pg_class.oid)
    order by pg_class.relname
  loop
    if class.is_foreign then
      raise notice '% is a foreign table and is not tracked', class.relation;
      continue;
    end if;
    begin
      perform postern.track(class.relation, track_schema.staleness);
    exception
      when wrong_object_type or feature_not_supported then
        raise notice '% is not tracked: %', class.relation, sqlerrm;
    end;
  end loop;
end
$$;
comment on function postern.track_schema(regnamespace, interval) is 'Tracks every table of a schema, and from now on each that is made in it.';

create function postern.untrack_schema(schema regnamespace)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  class record;
begin
  delete from postern.tracked_schemas as tracked where tracked.schema = untrack_schema.schema;
  for class in
    select tracked.relation
    from postern.tracked_relations as tracked
    join pg_catalog.pg_class on pg_class.oid = tracked.relation
    where pg_class.relnamespace = untrack_schema.schema
  loop
    perform postern.untrack(class.relation);
  end loop;
end
$$;
comment on function postern.untrack_schema(regnamespace) is 'Tracks no table of a schema any longer.';

------------------------------------------------------------------------------------------------------------------------
-- Polling
--
-- The cursor is "epoch@snapshot". A change is reported when its transaction is visible in the snapshot of this call and
-- was not in the cursor's: once, whatever the order of commits, however long other transactions take.

-- Transaction ids mean something only within one life of one database. Each part ends a life:
--   system identifier, timeline: another server, a promoted standby, a restore to a point in time
--   oids of the database and of the outbox: a copy as template, a dump that was loaded
--   start of the server: it may have been started on an older copy of its disk
--   reset of the statistics: the server recovered from a crash, after which ids that were never written to disk are given out again
create function postern.epoch()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select left(md5(concat_ws(
    ' ',
    (select control.system_identifier from pg_catalog.pg_control_system() as control),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (select pg_database.oid from pg_catalog.pg_database where pg_database.datname = current_database()),
    'postern.changes'::regclass::oid,
    extract(epoch from pg_postmaster_start_time()),
    extract(epoch from pg_stat_get_bgwriter_stat_reset_time())
  )), 16)
$$;
comment on function postern.epoch() is 'Names this life of this database: transaction ids of another mean nothing.';

create function postern.changes_since(cursor text default null)
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- Few rows at the end of the index, whatever the statistics say.
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
-- Up to 17, no sequential scan means an infinite cost, which compiling would be worth.
set jit = off
as $$
declare
  snapshot pg_snapshot;
  since pg_snapshot;
  epoch text;
  pruned_below xid8;
  reason text;
  tags jsonb := '[]';
begin
  if pg_is_in_recovery() then
    -- A standby's snapshots do not say which transactions are running.
    raise sqlstate 'PT503' using message = 'changes are read from the primary server, and this is a standby';
  end if;
  snapshot := pg_current_snapshot();
  epoch := postern.epoch();
  select horizon.pruned_below into strict pruned_below from postern.horizon;

  if cursor is null or cursor = '' then
    reason := 'there is no cursor';
  elsif cursor !~ '^[0-9a-f]+@[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?$' then
    reason := 'the cursor is none of this function';
  elsif split_part(cursor, '@', 1) <> epoch then
    reason := 'the server or the database is another, or was restarted or restored';
  else
    since := split_part(cursor, '@', 2)::pg_snapshot;
    if pg_snapshot_xmax(since) > pg_snapshot_xmax(snapshot) then
      reason := 'the cursor is ahead of the database';
    -- A horizon that is ahead of the database was loaded from a dump, and says nothing.
    elsif pg_snapshot_xmin(since) < pruned_below and pruned_below <= pg_snapshot_xmax(snapshot) then
      reason := 'changes since the cursor have been pruned';
    end if;
  end if;

  if reason is null then
    with changed as (
      select changes.tag, changes.rows
      from postern.changes
      where changes.xid >= pg_snapshot_xmax(since)
        and pg_visible_in_snapshot(changes.xid, snapshot)
      union all
      -- Those that were running when the cursor was made.
      select changes.tag, changes.rows
      from postern.changes
      where changes.xid = any (array(select pg_snapshot_xip(since)))
        and pg_visible_in_snapshot(changes.xid, snapshot)
    ),
    named as (
      select changed.tag, array_agg(distinct coalesce(key.key, '*')) as keys
      from changed
      cross join unnest(case when cardinality(changed.rows) > 100 then '{*}' else changed.rows end) as key (key)
      group by changed.tag
    )
    select coalesce(jsonb_agg(reported.tag order by reported.tag), '[]')
    into tags
    from (
      select distinct changed.tag
      from changed
      union all
      select named.tag || '(' || key.key || ')'
      from named
      cross join unnest(case when '*' = any (named.keys) or cardinality(named.keys) > 1000 then '{*}' else named.keys end) as key (key)
    ) as reported;
  end if;

  return jsonb_build_object(
    'epoch', epoch,
    'cursor', epoch || '@' || snapshot,
    'reset', reason is not null,
    'reason', reason,
    'tags', tags
  );
end
$$;
comment on function postern.changes_since(text) is
'The tags of what was committed since the cursor, and the cursor for the next call. reset: it cannot be said, so anything may have changed.';

-- Changes go when every transaction below them had ended `retention` ago: each cursor younger than that still finds all that
-- it needs, long transactions or not. Called by whoever polls, once a minute or so, as a call that may write.
create function postern.prune(retention interval default '1 hour', batch integer default 10000)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  noted postern.horizon;
  snapshot pg_snapshot;
  pruned bigint;
begin
  -- Whoever prunes at the same time has it done for us.
  select * into noted from postern.horizon for update skip locked;
  if not found then
    return jsonb_build_object('pruned', 0, 'isDone', false);
  end if;
  -- Not before the lock: another session may have pruned further meanwhile.
  snapshot := pg_current_snapshot();

  if greatest(noted.pruned_below, noted.prune_next) > pg_snapshot_xmax(snapshot) then
    -- Loaded from a dump of another server, as are changes that can be seen and have ids that were not given out yet. By the
    -- snapshot of this very statement: by the one above, changes would go that were committed since.
    delete from postern.changes where changes.xid >= pg_snapshot_xmax(pg_current_snapshot());
    noted.pruned_below := '0';
    noted.prune_next := pg_snapshot_xmin(snapshot);
    noted.noted_at := clock_timestamp();
  elsif noted.noted_at <= clock_timestamp() - retention then
    noted.pruned_below := noted.prune_next;
    noted.prune_next := pg_snapshot_xmin(snapshot);
    noted.noted_at := clock_timestamp();
  end if;
  update postern.horizon
  set pruned_below = noted.pruned_below, prune_next = noted.prune_next, noted_at = noted.noted_at
  where horizon.noted_at <> noted.noted_at;

  delete from postern.changes
  where changes.ctid = any (array(
    select old.ctid
    from postern.changes as old
    where old.xid < noted.pruned_below
    limit batch
  ));
  get diagnostics pruned = row_count;
  return jsonb_build_object('pruned', pruned, 'isDone', pruned < batch);
end
$$;
comment on function postern.prune(interval, integer) is 'Removes changes that no cursor younger than retention can need, at most batch of them.';

------------------------------------------------------------------------------------------------------------------------
-- Functions that the operator vouches for

create table postern.cacheable_functions (
  function   regprocedure primary key,
  reads      regclass[] not null,
  claims     text[] not null,
  definition text not null
);
comment on table postern.cacheable_functions is
'Functions whose results follow from their arguments, the relations they read and the claims. definition: what was vouched for. Written by postern.declare_cacheable.';

create function postern.definition_of(function oid)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(concat_ws(' ', prosrc, probin, pg_get_function_sqlbody(oid), prosecdef, provolatile, prolang, proconfig))
  from pg_catalog.pg_proc
  where pg_proc.oid = function
$$;
comment on function postern.definition_of(oid) is 'Changes when what a function does may have changed.';

create function postern.declare_cacheable(function regprocedure, reads regclass[] default '{}', claims text[] default '{}')
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  proc pg_catalog.pg_proc;
  unstable text[] := array(select unnest(claims) intersect values ('exp'), ('iat'), ('nbf'), ('jti'));
begin
  select * into proc from pg_catalog.pg_proc where pg_proc.oid = function;
  if proc.provolatile = 'v' then
    raise exception '% is volatile', function
      using errcode = 'invalid_parameter_value', hint = 'If it only reads, say so first: alter function ... stable.';
  elsif proc.pronamespace = 'pg_catalog'::regnamespace then
    raise exception '% is not a function of yours', function
      using errcode = 'invalid_parameter_value', hint = 'Call it in a function of your own, and declare that.';
  elsif cardinality(unstable) > 0 then
    raise exception 'these claims differ from token to token: %', array_to_string(unstable, ', ')
      using errcode = 'invalid_parameter_value', hint = 'An answer that depends on them cannot be shared.';
  end if;
  insert into postern.cacheable_functions (function, reads, claims, definition)
  values (function, reads, claims, postern.definition_of(function))
  on conflict on constraint cacheable_functions_pkey do update
  set reads = excluded.reads, claims = excluded.claims, definition = excluded.definition;
  perform postern.flush();
end
$$;
comment on function postern.declare_cacheable(regprocedure, regclass[], text[]) is
'Vouches for a function: it reads its arguments, these relations and these claims of the caller''s token, nothing else.';

create function postern.undeclare_cacheable(function regprocedure)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  delete from postern.cacheable_functions as declared where declared.function = undeclare_cacheable.function;
  perform postern.flush();
end
$$;
comment on function postern.undeclare_cacheable(regprocedure) is 'Vouches for a function no longer.';

------------------------------------------------------------------------------------------------------------------------
-- What event triggers see

-- DETACH PARTITION CONCURRENTLY commits first, and then waits for as long as somebody reads: its rows are gone before it ends.
-- It cannot be part of a larger transaction, nor of a function, so that it is what the client sent.
create function postern.log_start()
returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  if current_query() ~* '[[:<:]]detach[[:>:]].*[[:<:]]concurrently[[:>:]]' then
    perform postern.flush();
  end if;
end
$$;
comment on function postern.log_start() is 'Logs what shows before its end: that a partition is detached concurrently.';

create function postern.log_ddl()
returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  touched oid[];
  schemas oid[];
  outdated oid[];
  made record;
begin
  -- It takes roles out of policies without a word.
  if tg_tag = 'DROP OWNED' then
    perform postern.flush();
  end if;
  -- Temporary objects come and go with every session that uses them. Indexes and comments change no answer.
  if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT') or not exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
  ) then
    return;
  end if;

  select
    array_agg(command.objid) filter (where command.classid = 'pg_catalog.pg_class'::regclass),
    array_agg(command.objid) filter (where command.classid = 'pg_catalog.pg_namespace'::regclass)
  into touched, schemas
  from pg_catalog.pg_event_trigger_ddl_commands() as command
  where command.schema_name is distinct from 'pg_temp';

  if tg_tag <> 'REFRESH MATERIALIZED VIEW' then
    perform postern.flush();
  end if;
  insert into postern.changes (tag, rows)
  select distinct postern.tag_of(class.oid), '{*}'::text[]
  from pg_catalog.pg_class as class
  where class.oid = any (touched)
    and class.relkind in ('r', 'p', 'v', 'm', 'f');

  if tg_tag = 'REFRESH MATERIALIZED VIEW' or current_setting('postern.is_tracking', true) = 'on' then
    return;
  end if;
  perform set_config('postern.is_tracking', 'on', true);
  -- Of a partition that was detached, of which no command tells: they would go on asking for a key that it may not have any more.
  begin
    perform postern.drop_triggers(class.oid)
    from pg_catalog.pg_class as class
    where (class.oid = any (touched) or tg_tag = 'ALTER TABLE')
      and exists (select from pg_catalog.pg_trigger where tgrelid = class.oid and tgname = 'postern_insert')
      and class.relkind in ('r', 'p')
      and not exists (
        select from postern.tracked_relations as tracked
        where tracked.relation = class.oid or tracked.relation = any (postern.roots_of(class.oid))
      );
  exception
    when others then
      raise warning 'triggers of a table that is not tracked any more are left: %', sqlerrm;
  end;
  if tg_tag in ('ALTER TABLE', 'ALTER INDEX') then
    -- One that was detached, or whose key became whole with the index of a partition, is not told of either. Of two roots of one
    -- child each would take its triggers from the other.
    outdated := array(
      select problem.root
      from postern.trigger_problems(array(select tracked.relation::oid from postern.tracked_relations as tracked)) as problem
      where problem.problem like '%out of date'
        and not exists (
          select from postern.family_of(problem.root) as member where cardinality(postern.roots_of(member.relation)) > 1
        )
    );
  end if;
  for made in
    select
      class.oid::regclass as relation,
      schema.staleness,
      tracked.relation is null as is_new
    from pg_catalog.pg_class as class
    left join postern.tracked_relations as tracked on tracked.relation = class.oid
    left join postern.tracked_schemas as schema on schema.schema = class.relnamespace
    where class.relkind in ('r', 'p')
      and class.relpersistence <> 't'
      and (
        (
          tracked.relation is not null
          -- That of its root counts.
          and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
          and (
            class.relnamespace = any (schemas)
            or class.oid = any (outdated)
            -- Of a typed table it changes columns.
            or tg_tag = 'ALTER TYPE'
            or class.oid in (select unnest(postern.roots_of(one)) from unnest(touched) as one)
          )
        )
        or (
          schema.schema is not null
          and tracked.relation is null
          and class.oid = any (touched)
          and tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
          and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
        )
      )
  loop
    -- What was asked for is done in any case. The catalog reports a table that is not tracked after all.
    begin
      if made.is_new then
        insert into postern.tracked_relations (relation, staleness) values (made.relation, made.staleness);
      end if;
      perform postern.make_triggers(made.relation, made.is_new);
    exception
      when others then
        raise warning '% is not tracked: %', made.relation, sqlerrm;
    end;
  end loop;
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.log_ddl() is 'Logs that the catalog changed or a materialized view was refreshed, and tracks new tables of tracked schemas.';

create function postern.log_drop()
returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  shortened regclass;
  was_tracking text := coalesce(current_setting('postern.is_tracking', true), '');
begin
  if not exists (
    select
    from pg_catalog.pg_event_trigger_dropped_objects() as dropped
    where not dropped.is_temporary
      and dropped.schema_name is distinct from 'pg_temp'
      and dropped.object_type not in ('index', 'toast table')
  ) then
    return;
  end if;
  perform postern.flush();
  insert into postern.changes (tag, rows)
  select distinct postern.quoted(dropped.schema_name) || '.' || postern.quoted(dropped.object_name), '{*}'::text[]
  from pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where dropped.object_type in ('table', 'view', 'materialized view', 'foreign table')
    and not dropped.is_temporary
    and dropped.schema_name is distinct from 'pg_temp';
  delete from postern.tracked_relations
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_relations.relation = dropped.objid and dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid = 0;
  delete from postern.tracked_schemas
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_schemas.schema = dropped.objid and dropped.classid = 'pg_catalog.pg_namespace'::regclass;
  delete from postern.cacheable_functions
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where cacheable_functions.function = dropped.objid and dropped.classid = 'pg_catalog.pg_proc'::regclass;
  -- A column that went with something else may have been of the key.
  perform set_config('postern.is_tracking', 'on', true);
  for shortened in
    select tracked.relation
    from postern.tracked_relations as tracked
    where tracked.relation in (
      select unnest(postern.roots_of(dropped.objid))
      from pg_catalog.pg_event_trigger_dropped_objects() as dropped
      where dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid > 0
    )
  loop
    begin
      perform postern.make_triggers(shortened, false);
    exception
      when others then
        raise warning '% is not tracked: %', shortened, sqlerrm;
    end;
  end loop;
  perform set_config('postern.is_tracking', was_tracking, true);
end
$$;
comment on function postern.log_drop() is 'Logs that something was dropped, and forgets it.';

create function postern.is_watched()
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select count(*) = 3
  from pg_catalog.pg_event_trigger
  where (evtname, evtfoid) in (
      ('postern_log_start', 'postern.log_start()'::regprocedure),
      ('postern_log_ddl', 'postern.log_ddl()'::regprocedure),
      ('postern_log_drop', 'postern.log_drop()'::regprocedure)
    )
    and evtenabled = 'A'
);
comment on function postern.is_watched() is 'Whether changes of the catalog are logged as they happen.';

------------------------------------------------------------------------------------------------------------------------
-- The catalog: what an answer from each relation depends on
--
-- Read from the parse trees of views, policies and functions with SQL bodies: pg_depend says nothing of built-in functions.
-- Whatever is not known to read only tables and claims is a reason not to cache.

-- Finds `current_setting('request.jwt.claims')::json ->> 'sub'` and its relatives in SQL as Postgres writes it. Nothing may stand between
-- the claims and the name: of what a function makes of all of them, a part is no claim.
create function postern.setting_readers()
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select format(
    $re$\(+(?:%1$s|(?:NULLIF|COALESCE)\(%1$s, '(?:|{})'::text\)|COALESCE\(NULLIF\(%1$s, ''::text\), '{}'::text\))\)::jsonb?(?: ->>? '((?:[^']|'')+)'::text| #>>? '{([A-Za-z0-9_-]+)(?:,[^']*)?}'::text\[\]|\)\['((?:[^']|'')+)'::text\])|current_setting\('request\.jwt\.claim\.([^']+)'::text(?:, (?:true|false))?\)|current_setting\('(?:role)'::text(?:, (?:true|false))?\)$re$,
    $re$current_setting\('request\.jwt\.claims'::text(?:, (?:true|false))?\)$re$
  )
$$;
comment on function postern.setting_readers() is 'Regular expression of the known ways to read a claim, which is one of its groups; the role is none.';

create function postern.claims_in(expression text)
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(array_agg(distinct claim order by claim) filter (where claim is not null), '{}')
  from (
    select replace(coalesce(found[1], found[2], found[3], found[4]), $q$''$q$, $q$'$q$) as claim
    from regexp_matches(expression, postern.setting_readers(), 'g') as found
  ) as reader
$$;
comment on function postern.claims_in(text) is 'The claims that an expression reads.';

-- tree: the expression as pg_node_tree. timed_types: those of which a text may say 'now'.
create function postern.problems_in(tree text, expression text, timed_types oid[])
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select array_remove(array[
    -- current_setting, without and with missing_ok
    case when (select count(*) from regexp_matches(tree, ':funcid (2077|3294) ', 'g'))
      > (select count(*) from regexp_matches(expression, postern.setting_readers(), 'g'))
      -- What is written twice, as in GROUP BY, may be one in the tree.
      or regexp_replace(expression, postern.setting_readers(), '', 'g') ~ 'current_setting\('
      then 'reads a setting that is not a named claim: ' || coalesce((
        select string_agg(distinct setting[1], ', ')
        from regexp_matches(regexp_replace(expression, postern.setting_readers(), '', 'g'), $re$current_setting\('([^']+)'$re$, 'g') as setting
      ), 'its name is computed')
    end,
    -- Casts and NULLIF are written alike, whoever made them. PostgreSQL has no function that casts to json or jsonb.
    case when expression ~ 'current_setting\(' and (
      tree ~ '{FUNCEXPR :funcid \d+ :funcresulttype (?:114|3802) (?::\w+ \w+ ){2}:funcformat [12] '
      or exists (select from regexp_matches(tree, '{NULLIFEXPR :opno (\d+) ', 'g') as found where found[1]::oid >= 16384)
    ) then 'reads a setting that is not a named claim: by a cast or an operator of the database''s own' end,
    case when postern.claims_in(expression) && '{exp,iat,nbf,jti}'
      then 'reads a claim that differs from token to token' end,
    case when tree ~ '{SQLVALUEFUNCTION :op [0-8] ' then 'reads the clock' end,
    case when tree ~ ':path_spec {(?!CONST )' or tree ~ '{JSONEXPR ' and expression ~ '\.(?:date|time)\w*\('
      then 'makes a date or time of a text in JSON' end,
    case when tree ~ '{SQLVALUEFUNCTION :op (12|14) ' then 'reads session_user or current_schema' end,
    case when tree ~ ':tablesample {' then 'reads a random sample' end,
    case when tree ~ '{NEXTVALUEEXPR' then 'takes a value of a sequence' end,
    -- ctid, xmin, cmin, xmax, cmax: VACUUM FULL and whoever locks a row change them, and fire no trigger.
    case when tree ~ '{VAR :varno \S+ :varattno -[1-5] ' then 'reads where a row is stored or which transactions touched it' end,
    case when tree ~ '{(COERCEVIAIO|TABLEFUNC|JSONEXPR) ' and exists (
      select
      from regexp_matches(tree, ':(?:resulttype|typid|coltypes) (?:\(o )?([1-9][\d ]*)', 'g') as found
      cross join regexp_split_to_table(rtrim(found[1]), ' ') as type
      where type::oid = any (timed_types)
    ) then 'makes a date or time of a text' end
  ], null)
$$;
comment on function postern.problems_in(text, text, oid[]) is 'Why the value of an expression does not follow from tables and claims, as far as it says itself.';

-- Functions of pg_catalog that are STABLE for the sake of the time zone, of output functions or of enum labels.
create function postern.is_harmless(name text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return name ~ ('^('
  || 'anytextcat|textanycat|array_to_json|array_to_string|concat|concat_ws|format|quote_literal|quote_nullable|length'
  || '|convert|convert_from|convert_to|current_database|current_user|getpgusername'
  || '|date|date_add|date_part|date_subtract|date_trunc|extract|generate_series|in_range|interval_pl_timestamptz'
  || '|make_timestamptz|overlaps|time|timestamp|timestamptz|timetz|timezone|to_char|to_date|to_number|to_timestamp'
  || '|(date|timestamp|timestamptz)_(cmp|eq|ge|gt|le|lt|ne)_(date|timestamp|timestamptz)|timestamptz_(pl|mi)_interval'
  || '|enum_first|enum_last|enum_range|money|numeric'
  || '|jsonb?_(build_array|build_object)|jsonb?_(object_)?agg(_(strict|unique|unique_strict))?|to_jsonb?|row_to_json'
  || '|json_to_tsvector|jsonb_to_tsvector|to_tsvector|to_tsquery|plainto_tsquery|phraseto_tsquery|websearch_to_tsquery|ts_headline|get_current_ts_config'
  || ')$');
comment on function postern.is_harmless(text) is 'Whether STABLE functions of this name in pg_catalog read neither clock nor session, but for the time zone.';

-- Everything that has an expression: views, policies for reading, functions with a body that was parsed when they were made, and
-- defaults of arguments, which the call that leaves them out does not contain.
create view postern.expressions as
with expressed (kind, node, tree, expression) as (
  select 'relation', rule.ev_class, rule.ev_action::text, pg_get_viewdef(rule.ev_class)
  from pg_catalog.pg_rewrite as rule
  join pg_catalog.pg_class as class on class.oid = rule.ev_class
  where rule.ev_type = '1'
    and class.relkind = 'v'
    and class.relnamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  union all
  select 'policy', policy.oid, policy.polqual::text, pg_get_expr(policy.polqual, policy.polrelid)
  from pg_catalog.pg_policy as policy
  where policy.polcmd in ('r', '*')
    and policy.polqual is not null
  union all
  select
    'function',
    proc.oid,
    concat_ws(' ', body.tree, proc.proargdefaults::text),
    concat_ws(' ', body.expression, pg_get_expr(proc.proargdefaults, 0))
  from pg_catalog.pg_proc as proc
  left join lateral (
    select proc.prosqlbody::text, pg_get_function_sqlbody(proc.oid)
    -- Somebody vouched for it.
    where not exists (select from postern.cacheable_functions as declared where declared.function = proc.oid)
  ) as body (tree, expression) on true
  where (proc.pronamespace <> 'pg_catalog'::regnamespace or proc.oid >= 16384)
    and coalesce(body.tree, proc.proargdefaults::text) is not null
)
select
  expressed.kind,
  expressed.node,
  expressed.tree,
  -- A quoted name may look like anything.
  regexp_replace(expressed.expression, $$('(?:[^']|'')*')|"(?:[^"]|"")*"$$, '\1', 'g') as expression
from expressed;
comment on view postern.expressions is 'The parse trees that postern.catalog looks into.';

create view postern.type_parts as
select type.oid as type, type.typbasetype as part from pg_catalog.pg_type as type where type.typtype = 'd'
union all
select type.oid, type.typelem from pg_catalog.pg_type as type where type.typelem <> 0
union all
select class.reltype, attribute.atttypid
from pg_catalog.pg_class as class
join pg_catalog.pg_attribute as attribute on attribute.attrelid = class.oid and attribute.attnum > 0
where class.reltype <> 0
union all
select range.rngtypid, range.rngsubtype from pg_catalog.pg_range as range
union all
select range.rngmultitypid, range.rngsubtype from pg_catalog.pg_range as range;
comment on view postern.type_parts is 'What domains, arrays, composites and ranges are made of.';

create view postern.timed_types as
with recursive timed (type) as (
  select unnest(array['pg_catalog.date', 'pg_catalog.time', 'pg_catalog.timestamp', 'pg_catalog.timestamptz', 'pg_catalog.timetz']::regtype[])::oid
  union
  select type_parts.type
  from timed
  join postern.type_parts on type_parts.part = timed.type
)
select timed.type from timed;
comment on view postern.timed_types is 'Types with a date or time in them, of which a text may say now.';

create view postern.zoned_types as
with recursive zoned (type) as (
  select 'pg_catalog.timetz'::regtype::oid
  union
  select type_parts.type
  from zoned
  join postern.type_parts on type_parts.part = zoned.type
)
select zoned.type from zoned where zoned.type >= 16384;
comment on view postern.zoned_types is 'Types of the database''s own with a time and zone in them: in a text the zone''s offset is that of today.';

-- Where a value of a type is read or filtered, functions are called that no query names: to_json looks for a cast to json,
-- PostgREST for casts of a domain from and to json and text, and the operator of a filter may be somebody's own.
-- What an extension does in C and calls immutable has nothing to tell.
create view postern.type_functions as
with recursive own (type, function) as (
  select side.type, pg_cast.castfunc::oid
  from pg_catalog.pg_cast
  cross join lateral (
    values (pg_cast.castsource, pg_cast.casttarget), (pg_cast.casttarget, pg_cast.castsource)
  ) as side (type, other)
  where pg_cast.oid >= 16384
    and side.other in ('pg_catalog.json'::regtype, 'pg_catalog.jsonb'::regtype, 'pg_catalog.text'::regtype)
  union
  select side.type, operator.oprcode::oid
  from pg_catalog.pg_operator as operator
  cross join lateral (values (operator.oprleft), (operator.oprright)) as side (type)
  where operator.oid >= 16384
    -- those that PostgREST writes
    and operator.oprname in (
      '=', '<>', '<', '<=', '>', '>=', '~', '~*', '~~', '~~*', '@@', '@>', '<@', '&&', '<<', '>>', '&<', '&>', '-|-'
    )
  union
  -- by which arrays, rows and ranges of them are compared
  select side.type, operator.oprcode::oid
  from pg_catalog.pg_amop as member
  join pg_catalog.pg_operator as operator on operator.oid = member.amopopr
  cross join lateral (values (member.amoplefttype), (member.amoprighttype)) as side (type)
  where member.oid >= 16384
  union
  -- by which values are sorted and grouped
  select side.type, support.amproc::oid
  from pg_catalog.pg_amproc as support
  cross join lateral (values (support.amproclefttype), (support.amprocrighttype)) as side (type)
  where support.oid >= 16384
),
called (type, function) as (
  select own.type, own.function
  from own
  join pg_catalog.pg_proc as proc on proc.oid = own.function
  join pg_catalog.pg_language as language on language.oid = proc.prolang
  where proc.provolatile <> 'i'
    or language.lanname not in ('internal', 'c')
  union
  select type_parts.type, called.function
  from called
  join postern.type_parts on type_parts.part = called.type
)
select called.type, called.function from called;
comment on view postern.type_functions is 'What is called where a value of a type is read or filtered, unnamed.';

-- as_owner: what is read so is read with the rights of an owner, or of a role that a function sets: their policies apply and not the caller's.
create view postern.dependencies as
with called as (
  select expressions.kind, expressions.node, found[1]::oid as function
  from postern.expressions
  cross join regexp_matches(
    expressions.tree,
    -- current_setting, called by its name, is judged by its argument: see problems_in.
    ':(?:funcid (?!(?:2077|3294) )|(?:opfuncid|aggfnoid|winfnoid|startInRangeFunc|endInRangeFunc) )([1-9]\d*)',
    'g'
  ) as found
  union
  select expressions.kind, expressions.node, operator.oprcode::oid
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':(?:opno|opnos|eqop|sortop) (?:\(o )?([1-9][\d ]*)', 'g') as found
  cross join regexp_split_to_table(rtrim(found[1]), ' ') as named
  join pg_catalog.pg_operator as operator on operator.oid = named::oid
),
edges (kind, node, to_kind, to_node) as (
  select called.kind, called.node, 'function', called.function
  from called
  union
  select expressions.kind, expressions.node, 'relation', found[1]::oid
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':relid ([1-9]\d*)', 'g') as found
  -- Up to 15, a view's rule names the view itself.
  where (expressions.kind, expressions.node) is distinct from ('relation', found[1]::oid)
  union
  select 'relation', policy.polrelid, 'policy', policy.oid
  from pg_catalog.pg_policy as policy
  join pg_catalog.pg_class as class on class.oid = policy.polrelid
  where class.relrowsecurity
    and policy.polcmd in ('r', '*')
  union
  select 'relation', attribute.attrelid, 'function', unnamed.function
  from postern.type_functions as unnamed
  join pg_catalog.pg_attribute as attribute on attribute.atttypid = unnamed.type and attribute.attnum > 0
  union
  select 'function', proc.oid, 'function', unnamed.function
  from postern.type_functions as unnamed
  join pg_catalog.pg_proc as proc on unnamed.type = proc.prorettype or unnamed.type = any (proc.proallargtypes)
  union
  select expressions.kind, expressions.node, 'function', unnamed.function
  from postern.expressions
  cross join regexp_matches(expressions.tree, ':\w*type\w* ([1-9]\d*)', 'gi') as found
  join postern.type_functions as unnamed on unnamed.type = found[1]::oid
  -- Asked once: most databases have none, and need not be searched for types.
  where exists (select from postern.type_functions)
  union
  select 'function', declared.function::oid, 'relation', read::oid
  from postern.cacheable_functions as declared
  cross join unnest(declared.reads) as read
  union
  select 'function', aggregate.aggfnoid::oid, 'function', part.function
  from pg_catalog.pg_aggregate as aggregate
  cross join lateral (
    values
      (aggregate.aggtransfn::oid), (aggregate.aggfinalfn::oid),
      (aggregate.aggcombinefn::oid), (aggregate.aggserialfn::oid), (aggregate.aggdeserialfn::oid),
      (aggregate.aggmtransfn::oid), (aggregate.aggminvtransfn::oid), (aggregate.aggmfinalfn::oid)
  ) as part (function)
  where aggregate.aggfnoid::oid >= 16384
    and part.function <> 0
)
select
  edges.kind,
  edges.node,
  edges.to_kind,
  edges.to_node,
  case edges.kind
    when 'relation' then class.relkind = 'v' and not exists (
      select
      from pg_options_to_table(class.reloptions) as option
      where option.option_name = 'security_invoker' and option.option_value::boolean
    )
    when 'function' then proc.prosecdef or exists (
      select from unnest(proc.proconfig) as setting where setting ~ '^(role|session_authorization)='
    )
    else false
  end as as_owner
from edges
left join pg_catalog.pg_class as class on edges.kind = 'relation' and class.oid = edges.node
left join pg_catalog.pg_proc as proc on edges.kind = 'function' and proc.oid = edges.node;
comment on view postern.dependencies is 'What views, policies and functions read and call directly.';

create view postern.relation_facts as
-- For each family once: each of its members has the problems of all.
with tracked as materialized (
  select
    tracked_relations.relation,
    tracked_relations.staleness,
    min(format('%s %s', problem.relation::regclass, problem.problem)) filter (where problem.problem is not null) as problem
  from postern.tracked_relations
  join postern.trigger_problems(array(select one.relation::oid from postern.tracked_relations as one)) as problem
    on problem.root = tracked_relations.relation
  group by tracked_relations.relation
)
select
  class.oid as node,
  case when class.relkind in ('r', 'p', 'm') then postern.tag_of(class.oid) end as tag,
  tracked.staleness,
  case
    when class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
      then format('%s belongs to the system', class.oid::regclass)
    when class.relkind = 'f' then format('%s is a foreign table: changes of it are not seen', class.oid::regclass)
    when class.relkind = 'S' then format('%s is a sequence', class.oid::regclass)
    when class.relpersistence = 't' then format('%s goes with its session', class.oid::regclass)
    when exists (
      select
      from pg_catalog.pg_attribute as attribute
      join postern.zoned_types as zoned on zoned.type = attribute.atttypid
      where attribute.attrelid = class.oid and attribute.attnum > 0
    ) then format('%s has a column in which a text is read by the offset of today', class.oid::regclass)
    when class.relkind = 'v' then null
    when class.relkind = 'm' then
      case when not postern.is_watched() then format('%s is refreshed without being seen: there are no event triggers', class.oid::regclass) end
    when class.relkind not in ('r', 'p') then format('%s is not a table', class.oid::regclass)
    when cardinality(root.roots) > 1 then format('%s inherits from several tables', class.oid::regclass)
    when tracked.relation is null then format('%s is not tracked', class.oid::regclass)
    else tracked.problem
  end as problem
from pg_catalog.pg_class as class
cross join lateral (select postern.roots_of(class.oid) as roots) as root
left join tracked on tracked.relation = root.roots[1];
comment on view postern.relation_facts is 'Of each relation its tag, and why a change of it might not be seen.';

create view postern.function_facts as
select
  proc.oid as node,
  coalesce(declared.claims, '{}') as claims,
  case
    when proc.provolatile = 'v' then format('%s is volatile', proc.oid::regprocedure)
    when exists (
      select from unnest(declared.reads) as read where not exists (select from pg_catalog.pg_class where pg_class.oid = read)
    ) then format('%s is declared to read a relation that is gone', proc.oid::regprocedure)
    when exists (select from postern.zoned_types as zoned where zoned.type = any (proc.proargtypes::oid[]))
      then format('%s has an argument in which a text is read by the offset of today', proc.oid::regprocedure)
    when declared.definition = postern.definition_of(proc.oid) then null
    when declared.function is not null then format('%s has changed since it was declared cacheable', proc.oid::regprocedure)
    when schema.nspname ~ '^pg_temp_' then format('%s goes with its session', proc.oid::regprocedure)
    when exists (
      select
      from pg_catalog.pg_aggregate as aggregate
      where aggregate.aggfnoid = proc.oid
        and proc.oid >= 16384
        and (
          aggregate.agginitval is not null and aggregate.aggtranstype in (select timed.type from postern.timed_types as timed)
          or aggregate.aggminitval is not null and aggregate.aggmtranstype in (select timed.type from postern.timed_types as timed)
        )
    ) then format('%s begins with a text that is read as a date or time', proc.oid::regprocedure)
    -- Somebody else may have put functions there as well.
    when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384
      -- timetz(time), timezone(text, timetz), timezone(timetz): by the offset of today.
      and (proc.provolatile = 'i' or postern.is_harmless(proc.proname::text) and proc.oid not in (2047, 2037, 6336))
      then null
    when proc.pronamespace = 'pg_catalog'::regnamespace and proc.oid < 16384 then format('%s may read the clock or the session', proc.oid::regprocedure)
    when proc.prosqlbody is not null then null
    -- Extensions in C do not lie about being immutable. An aggregate is what its parts are.
    when language.lanname in ('internal', 'c') and proc.provolatile = 'i' then null
    else format('what %s reads is not known: postern.declare_cacheable can tell', proc.oid::regprocedure)
  end as problem
from pg_catalog.pg_proc as proc
join pg_catalog.pg_language as language on language.oid = proc.prolang
join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
left join postern.cacheable_functions as declared on declared.function = proc.oid;
comment on view postern.function_facts is 'Of each function the claims it is declared to read, and why its result might not follow from tables and claims.';

-- Each change of the catalog leaves a new version of a row.
create function postern.catalog_version()
returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(string_agg(part.version, ' ' order by part.name))
  from (
    -- TRUNCATE and REFRESH leave new versions, too. Where changes are logged as they happen, it is enough to tell states apart;
    -- but of REASSIGN OWNED no event tells, and it may have gone there and back.
    select 'class', md5(string_agg(
      concat_ws(' ', class.oid, case
        when schema.is_watched then (
          class.relname, relnamespace, relowner, relkind, relpersistence, relrowsecurity, relforcerowsecurity, relispopulated, relispartition,
          relhasrules, relhastriggers, relreplident, relam, reloftype, relacl, reloptions, relpartbound, owner.xmin
        )::text
        else class.xmin::text
      end),
      ',' order by class.oid
    ))
    from pg_catalog.pg_class as class
    cross join (select postern.is_watched()) as schema (is_watched)
    left join pg_catalog.pg_shdepend as owner
      on owner.dbid = (select pg_database.oid from pg_catalog.pg_database where datname = current_database())
      and owner.classid = 'pg_catalog.pg_class'::regclass
      and owner.objid = class.oid
      and owner.objsubid = 0
      and owner.deptype = 'o'
    where relpersistence <> 't' and class.oid >= 16384
    union all
    -- Of a virtual generated column, it is the value.
    select 'default', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_attrdef
    union all
    select 'attribute', md5(string_agg(concat_ws(' ', attrelid, attnum, pg_attribute.xmin), ',' order by attrelid, attnum))
    from pg_catalog.pg_attribute join pg_catalog.pg_class on pg_class.oid = attrelid and relpersistence <> 't' where attrelid >= 16384
    union all
    select 'inherits', md5(string_agg(concat_ws(' ', inhrelid, inhparent, xmin), ',' order by inhrelid, inhparent)) from pg_catalog.pg_inherits
    union all
    select 'constraint', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_constraint where oid >= 16384
    union all
    select 'trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_trigger
    union all
    select 'rewrite', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_rewrite where oid >= 16384
    union all
    select 'policy', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_policy
    union all
    select 'proc', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_proc
    union all
    select 'type', md5(string_agg(concat_ws(' ', pg_type.oid, pg_type.xmin), ',' order by pg_type.oid))
    from pg_catalog.pg_type left join pg_catalog.pg_class on pg_class.oid = typrelid where pg_type.oid >= 16384 and typtype <> 'c' and typelem = 0
    union all
    select 'enum', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_enum
    union all
    select 'cast', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_cast where oid >= 16384
    union all
    select 'operator', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_operator where oid >= 16384
    union all
    select 'namespace', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all
    select 'subscription', md5(string_agg(srrelid::text, ',' order by srrelid)) from pg_catalog.pg_subscription_rel
    union all
    select 'event trigger', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_event_trigger
    union all
    -- who is pg_database_owner
    select 'database', datdba::text from pg_catalog.pg_database where datname = current_database()
    union all
    select 'role', md5(string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls, rolconfig), ',' order by oid)) from pg_catalog.pg_roles
    union all
    select 'member', md5(string_agg(concat_ws(' ', roleid, member, xmin), ',' order by roleid, member, xmin::text)) from pg_catalog.pg_auth_members
    union all
    select 'setting', md5(string_agg(concat_ws(' ', setdatabase, setrole, xmin), ',' order by setdatabase, setrole)) from pg_catalog.pg_db_role_setting
    union all
    -- How values are written, where the server's configuration says it.
    select 'format', md5(string_agg(concat_ws(' ', name, current_setting(name)), ',' order by name))
    from unnest(array[
      'TimeZone', 'DateStyle', 'IntervalStyle', 'bytea_output', 'extra_float_digits', 'xmlbinary', 'default_text_search_config',
      'lc_monetary', 'lc_numeric', 'lc_time', 'quote_all_identifiers', 'xmloption', 'transform_null_equals', 'timezone_abbreviations'
    ]) as name
    union all
    select 'text search', md5(string_agg(concat_ws(' ', mapcfg, maptokentype, mapseqno, mapdict, xmin), ',' order by mapcfg, maptokentype, mapseqno))
    from pg_catalog.pg_ts_config_map where mapcfg >= 16384
    union all
    select 'dictionary', md5(string_agg(concat_ws(' ', oid, xmin), ',' order by oid)) from pg_catalog.pg_ts_dict where oid >= 16384
    union all
    select 'tracked', md5(string_agg(concat_ws(' ', relation::oid, staleness), ',' order by relation::oid)) from postern.tracked_relations
    union all
    select 'declared', md5(string_agg(concat_ws(' ', function::oid, reads::text, claims::text, definition), ',' order by function::oid)) from postern.cacheable_functions
  ) as part (name, version)
$$;
comment on function postern.catalog_version() is 'Changes whenever the catalog may have.';

create function postern.catalog(schemas text[])
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
-- Compiling takes seconds, and running a fraction of one.
set jit = off
-- Else names of claims are written with more backslashes than they have.
set standard_conforming_strings = on
as $$
  with recursive
  dependency as materialized (
    select * from postern.dependencies
  ),
  exposed_relation as (
    select class.*, schema.nspname
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    where schema.nspname = any (schemas)
      and class.relkind in ('r', 'p', 'v', 'm', 'f')
  ),
  exposed_function as (
    select proc.*, schema.nspname
    from pg_catalog.pg_proc as proc
    join pg_catalog.pg_namespace as schema on schema.oid = proc.pronamespace
    where schema.nspname = any (schemas)
      and proc.prokind = 'f'
      and proc.prorettype not in ('pg_catalog.trigger'::regtype, 'pg_catalog.event_trigger'::regtype)
  ),
  -- policy: by which policy of the first table on the way something is read; 0, if by none.
  reach (root_kind, root, kind, node, as_owner, policy) as (
    select 'relation', exposed_relation.oid, 'relation', exposed_relation.oid, false, 0::oid
    from exposed_relation
    union
    select 'function', exposed_function.oid, 'function', exposed_function.oid, false, 0::oid
    from exposed_function
    union
    select
      reach.root_kind,
      reach.root,
      dependency.to_kind,
      dependency.to_node,
      reach.as_owner or dependency.as_owner,
      case when reach.policy <> 0 then reach.policy when dependency.to_kind = 'policy' then dependency.to_node else 0 end
    from reach
    join dependency on dependency.kind = reach.kind and dependency.node = reach.node
  ),
  reached as materialized (
    select distinct kind, node from reach
  ),
  fact (kind, node, tag, staleness, claims, problems) as materialized (
    select 'relation', relation.node, relation.tag, relation.staleness, '{}'::text[], array_remove(array[relation.problem], null)
    from postern.relation_facts as relation
    where relation.node in (select reached.node from reached where reached.kind = 'relation')
    union all
    select 'function', function.node, null, null, function.claims, array_remove(array[function.problem], null)
    from postern.function_facts as function
    where function.node in (select reached.node from reached where reached.kind = 'function')
    union all
    select
      expression.kind,
      expression.node,
      null,
      null,
      postern.claims_in(expression.expression),
      array(
        select case expression.kind
          when 'relation' then expression.node::regclass::text
          when 'function' then expression.node::regprocedure::text
          else (select format('policy %I on %s', polname, polrelid::regclass) from pg_catalog.pg_policy where pg_policy.oid = expression.node)
        end || ' ' || problem
        from unnest(postern.problems_in(expression.tree, expression.expression, array(select timed.type from postern.timed_types as timed))) as problem
      )
    from postern.expressions as expression
    join reached on reached.kind = expression.kind and reached.node = expression.node
  ),
  summary as materialized (
    select
      reach.root_kind,
      reach.root,
      reach.policy,
      coalesce(jsonb_agg(distinct fact.tag) filter (where fact.tag is not null), '[]') as reads,
      coalesce(jsonb_agg(distinct claim.claim) filter (where claim.claim is not null), '[]') as claims,
      coalesce(jsonb_agg(distinct problem.problem) filter (where problem.problem is not null), '[]') as reasons,
      min(fact.staleness) as staleness,
      bool_or(reach.as_owner) filter (where reach.kind = 'policy' and reach.node = reach.policy) as as_owner
    from reach
    left join fact on fact.kind = reach.kind and fact.node = reach.node
    left join lateral unnest(fact.claims) as claim (claim) on true
    left join lateral unnest(fact.problems) as problem (problem) on true
    group by reach.root_kind, reach.root, reach.policy
  ),
  policy as (
    select
      summary.root_kind,
      summary.root,
      jsonb_agg(
        jsonb_build_object(
          'relation', postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text),
          'name', pg_policy.polname,
          'command', case pg_policy.polcmd when 'r' then 'select' else 'all' end,
          'isPermissive', pg_policy.polpermissive,
          -- Read with an owner's rights: whose policies apply does not depend on the caller.
          'roles', case
            when summary.as_owner then '["public"]'
            else (select jsonb_agg(coalesce(pg_roles.rolname, 'public') order by pg_roles.rolname)
              from unnest(pg_policy.polroles) as role
              left join pg_catalog.pg_roles on pg_roles.oid = role)
          end,
          'using', pg_get_expr(pg_policy.polqual, pg_policy.polrelid),
          'reads', summary.reads,
          'claims', summary.claims,
          'reasons', summary.reasons
        )
        order by schema.nspname, class.relname, pg_policy.polname
      ) as policies,
      min(summary.staleness) as staleness
    from summary
    join pg_catalog.pg_policy on pg_policy.oid = summary.policy
    join pg_catalog.pg_class as class on class.oid = pg_policy.polrelid
    join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
    group by summary.root_kind, summary.root
  ),
  dependence as (
    select
      summary.root_kind,
      summary.root,
      jsonb_build_object(
        'reads', summary.reads,
        'claims', summary.claims,
        'reasons', summary.reasons,
        'isCacheable', summary.reasons = '[]',
        'stalenessSeconds', extract(epoch from least(summary.staleness, policy.staleness)),
        'policies', coalesce(policy.policies, '[]')
      ) as dependence
    from summary
    left join policy on policy.root_kind = summary.root_kind and policy.root = summary.root
    where summary.policy = 0
  )
  select jsonb_build_object(
    'version', postern.catalog_version(),
    'isWatched', postern.is_watched(),
    'schemas', to_jsonb(schemas),
    -- Domains that are named so make PostgREST answer with what a function or an aggregate returns.
    'mediaTypes', (
      select coalesce(jsonb_agg(distinct lower(type.typname::text) collate "C"), '[]')
      from pg_catalog.pg_type as type
      where type.typtype = 'd' and type.typname like '%/%'
    ),
    'hasOwnCasts', exists (
      select from pg_catalog.pg_cast where oid >= 16384 and castsource < 16384 and casttarget < 16384
    ),
    'relations', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'schema', relation.nspname,
          'name', relation.relname,
          'kind', case relation.relkind
            when 'r' then 'table' when 'p' then 'table' when 'v' then 'view' when 'm' then 'materialized view' else 'foreign table'
          end,
          'tag', case when relation.relkind in ('r', 'p', 'm') then postern.tag_of(relation.oid) end,
          'rowKey', case
            when relation.relkind in ('r', 'p')
              -- What they call may read other rows of the table.
              and not exists (
                select
                from pg_catalog.pg_attribute as attribute
                join postern.type_functions as unnamed on unnamed.type = attribute.atttypid
                where attribute.attrelid = relation.oid and attribute.attnum > 0
              )
              then to_jsonb(postern.row_key_of((postern.roots_of(relation.oid))[1]))
          end,
          'columns', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'name', attribute.attname,
                'type', format_type(attribute.atttypid, null),
                'isNullable', not attribute.attnotnull,
                'isGenerated', attribute.attgenerated <> ''
              )
              order by attribute.attnum
            ), '[]')
            from pg_catalog.pg_attribute as attribute
            where attribute.attrelid = relation.oid and attribute.attnum > 0 and not attribute.attisdropped
          ),
          'keys', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'isPrimary', index.indisprimary,
                'columns', (
                  select jsonb_agg(attribute.attname order by key.position)
                  from unnest(index.indkey::int2[]) with ordinality as key (attnum, position)
                  join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = key.attnum
                  where key.position <= index.indnkeyatts
                )
              )
              order by index.indisprimary desc, index.indexrelid
            ), '[]')
            from pg_catalog.pg_index as index
            where index.indrelid = relation.oid
              and index.indisunique and index.indisvalid and index.indpred is null and index.indexprs is null
          ),
          'computed', (
            select coalesce(jsonb_object_agg(function.proname, function.oid::regprocedure), '{}')
            from exposed_function as function
            where function.pronargs = 1 and function.proargtypes[0] = relation.reltype and relation.reltype <> 0
          )
        ) || dependence.dependence
        order by relation.nspname, relation.relname
      ), '[]')
      from exposed_relation as relation
      join dependence on dependence.root_kind = 'relation' and dependence.root = relation.oid
    ),
    'functions', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'schema', function.nspname,
          'name', function.proname,
          'signature', function.oid::regprocedure,
          'arguments', (
            select coalesce(jsonb_agg(
              jsonb_build_object(
                'name', coalesce(function.proargnames[argument.position], ''),
                'type', format_type(argument.type, null),
                'hasDefault', argument.position > function.pronargs - function.pronargdefaults
              )
              order by argument.position
            ), '[]')
            from unnest(function.proargtypes::oid[]) with ordinality as argument (type, position)
          ),
          'isVariadic', function.provariadic <> 0,
          'returns', format_type(function.prorettype, null),
          'returnsRelation', (
            select postern.quoted(schema.nspname::text) || '.' || postern.quoted(class.relname::text)
            from pg_catalog.pg_type as type
            join pg_catalog.pg_class as class on class.oid = type.typrelid
            join pg_catalog.pg_namespace as schema on schema.oid = class.relnamespace
            where type.oid = function.prorettype and class.relkind <> 'c'
          ),
          'returnsSet', function.proretset,
          'volatility', case function.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end
        ) || dependence.dependence
        order by function.nspname, function.proname, function.oid::regprocedure::text
      ), '[]')
      from exposed_function as function
      join dependence on dependence.root_kind = 'function' and dependence.root = function.oid
    ),
    'foreignKeys', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'name', key.conname,
          'from', jsonb_build_object('schema', from_schema.nspname, 'name', from_class.relname, 'tag', postern.tag_of(from_class.oid), 'columns', (
            select jsonb_agg(attribute.attname order by part.position)
            from unnest(key.conkey) with ordinality as part (attnum, position)
            join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.conrelid and attribute.attnum = part.attnum
          )),
          'to', jsonb_build_object('schema', to_schema.nspname, 'name', to_class.relname, 'tag', postern.tag_of(to_class.oid), 'columns', (
            select jsonb_agg(attribute.attname order by part.position)
            from unnest(key.confkey) with ordinality as part (attnum, position)
            join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.confrelid and attribute.attnum = part.attnum
          )),
          'isOneToOne', exists (
            select
            from pg_catalog.pg_index as index
            where index.indrelid = key.conrelid
              and index.indisunique and index.indisvalid and index.indpred is null and index.indexprs is null
              and (index.indkey::int2[])[0:index.indnkeyatts - 1] <@ key.conkey
          )
        )
        order by from_schema.nspname, from_class.relname, key.conname
      ), '[]')
      from pg_catalog.pg_constraint as key
      join pg_catalog.pg_class as from_class on from_class.oid = key.conrelid
      join pg_catalog.pg_namespace as from_schema on from_schema.oid = from_class.relnamespace
      join pg_catalog.pg_class as to_class on to_class.oid = key.confrelid
      join pg_catalog.pg_namespace as to_schema on to_schema.oid = to_class.relnamespace
      where key.contype = 'f' and key.conparentid = 0
    ),
    -- The roles that may enter the schemas: a policy applies to a role when it names one that it is a member of, or public.
    'roles', (
      select coalesce(jsonb_object_agg(
        role.rolname,
        jsonb_build_object(
          'memberOf', (
            select jsonb_agg(other.rolname order by other.rolname)
            from pg_catalog.pg_roles as other
            where pg_has_role(role.oid, other.oid, 'usage')
          ),
          'bypassesPolicies', role.rolbypassrls
        )
      ), '{}')
      from pg_catalog.pg_roles as role
      where not role.rolsuper
        and role.rolname !~ '^pg_'
        and exists (
          select
          from pg_catalog.pg_namespace as schema
          where schema.nspname = any (schemas) and has_schema_privilege(role.oid, schema.oid, 'usage')
        )
    )
  )
$$;
comment on function postern.catalog(text[]) is 'What answers from the relations and functions of these schemas depend on, and why some cannot be cached.';

create function postern.status()
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select jsonb_build_object(
    'epoch', case when not pg_is_in_recovery() then postern.epoch() end,
    'isWatched', postern.is_watched(),
    'lost', case when postern.is_watched() then '[]'::jsonb else jsonb_build_array(
      'changes of the schema, of policies and of grants are seen only when the catalog is read again',
      'new partitions and new tables of a tracked schema are tracked only after postern.track or postern.track_schema is called again',
      'materialized views are not cached: nothing tells of their REFRESH'
    ) end,
    'tracked', (
      select coalesce(jsonb_agg(jsonb_build_object('relation', postern.tag_of(tracked.relation), 'problem', facts.problem) order by tracked.relation::text), '[]')
      from postern.tracked_relations as tracked
      join postern.relation_facts as facts on facts.node = tracked.relation
    ),
    'changes', (select count(*) from postern.changes)
  )
$$;
comment on function postern.status() is 'For the operator: what is tracked, what is wrong with it, and what is lost without event triggers.';

------------------------------------------------------------------------------------------------------------------------
-- Who may call what. Tracking and declaring are the owner's.

revoke all on all functions in schema postern from public;
grant usage on schema postern to postern;
grant execute on function
  postern.changes_since(text),
  postern.prune(interval, integer),
  postern.catalog(text[]),
  postern.status()
  to postern;

do $$
begin
  create event trigger postern_log_start on ddl_command_start when tag in ('ALTER TABLE') execute function postern.log_start();
  create event trigger postern_log_ddl on ddl_command_end execute function postern.log_ddl();
  create event trigger postern_log_drop on sql_drop execute function postern.log_drop();
  -- Also where session_replication_role is replica.
  alter event trigger postern_log_start enable always;
  alter event trigger postern_log_ddl enable always;
  alter event trigger postern_log_drop enable always;
exception
  when insufficient_privilege then
    raise warning 'there are no event triggers, because % may not make them: select postern.status() says what is lost', current_user;
end
$$;

-- migrate:down
drop event trigger if exists postern_log_drop;
drop event trigger if exists postern_log_ddl;
drop event trigger if exists postern_log_start;
do $$
declare
  logger regprocedure;
begin
  -- with the triggers on your tables
  for logger in
    select oid::regprocedure from pg_proc where pronamespace = 'postern'::regnamespace and proname ~ '^log_[0-9a-f]{12}(_update)?$'
  loop
    execute format('drop function %s cascade', logger);
  end loop;
end
$$;
revoke execute on function
  postern.changes_since(text),
  postern.prune(interval, integer),
  postern.catalog(text[]),
  postern.status()
  from postern;
drop function postern.status();
drop function postern.catalog(text[]);
drop function postern.catalog_version();
drop view postern.function_facts;
drop view postern.relation_facts;
drop view postern.dependencies;
drop view postern.type_functions;
drop view postern.zoned_types;
drop view postern.timed_types;
drop view postern.type_parts;
drop view postern.expressions;
drop function postern.is_harmless(text);
drop function postern.problems_in(text, text, oid[]);
drop function postern.claims_in(text);
drop function postern.setting_readers();
drop function postern.is_watched();
drop function postern.log_drop();
drop function postern.log_ddl();
drop function postern.log_start();
drop function postern.undeclare_cacheable(regprocedure);
drop function postern.declare_cacheable(regprocedure, regclass[], text[]);
drop function postern.definition_of(oid);
drop table postern.cacheable_functions;
drop function postern.prune(interval, integer);
drop function postern.changes_since(text);
drop function postern.epoch();
drop function postern.untrack_schema(regnamespace);
drop function postern.track_schema(regnamespace, interval);
drop function postern.untrack(regclass);
drop function postern.drop_triggers(oid);
drop function postern.track(regclass, interval);
drop function postern.trackable_root(regclass);
drop function postern.flush();
drop function postern.make_triggers(regclass, boolean);
drop function postern.trigger_problems(oid[]);
drop function postern.family_of(oid);
drop function postern.make_loggers(regclass);
drop function postern.log_truncate() cascade;
drop function postern.logger_of(text, text);
drop function postern.key_expression(oid);
drop function postern.row_key_of(oid);
drop function postern.tag_of(oid);
drop function postern.roots_of(oid);
drop function postern.quoted(text);
drop table postern.horizon;
drop table postern.changes;
drop table postern.tracked_schemas;
drop table postern.tracked_relations;
do $$
begin
  -- Where this was the only migration, the schema goes, too.
  drop schema postern;
exception
  when dependent_objects_still_exist then null;
end
$$;
