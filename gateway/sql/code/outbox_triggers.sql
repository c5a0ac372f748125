-- The triggers of tracked tables, and the functions that they call to write the outbox.
--
-- Each shape of key has two functions ("id" is one shape, "source, target" another): one for updates, one for inserts and
-- deletes. Every writer of a tracked table pays for them, and most of the price is starting a statement. So each function runs
-- one static statement, whose plan is kept, has no IF, and leaves to the reader what can be left.

create or replace function postern.outbox_writer_of(key_expression text, event text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
return case event
  when 'truncate' then 'write_outbox_truncate'
  else 'write_outbox_' || left(encode(sha256(convert_to(key_expression, 'UTF8')), 'hex'), 40) || case event when 'update' then '_update' else '' end
end;
comment on function postern.outbox_writer_of(text, text) is 'The name of the trigger function for an event on tables with a key.';

-- A trigger counts only if its function has exactly this source: the name alone follows from names that a table's owner chooses.
-- The outbox holds the oid of the written table, because the table or its schema may be renamed before the writer commits.
create or replace function postern.outbox_writer_source(key_expression text, event text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
return format(
  $source$
begin
  insert into postern.outbox (tag, rows)
  select textin(oidout(tg_relid)), changed.keys
  from (
    select array(select one.key from (%s) as one (key) limit %s)
    -- keeps the planner from computing the array twice
    offset 0
  ) as changed (keys)
  -- A statement trigger fires also where the statement found no row.
  where cardinality(changed.keys) > 0;
  return null;
end
$source$,
  case event
    -- An update of a key changes two rows: the old key and the new one.
    when 'update' then format('select %1$s from new_rows as this union all select %1$s from old_rows as this', key_expression)
    else format('select %s from changed_rows as this', key_expression)
  end,
  -- The reader takes 101 keys for any row. Without a key, one row is enough to say so.
  case key_expression when quote_literal('*') then 1 else 101 end
);
comment on function postern.outbox_writer_source(text, text) is 'The source of the trigger function for inserts and deletes, or for updates, on tables with a key.';

create or replace function postern.write_outbox_truncate()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into postern.outbox (tag, rows) values (textin(oidout(tg_relid)), '{*}');
  return null;
end
$$;
comment on function postern.write_outbox_truncate() is 'Trigger: writes to the outbox that any row may have changed.';

create or replace function postern.make_outbox_writers(root regclass)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  key text := postern.key_expression(root);
  writer record;
  extension name;
begin
  for writer in
    select postern.outbox_writer_of(key, event.name) as name, postern.outbox_writer_source(key, event.name) as source
    from (values ('insert'), ('update')) as event (name)
  loop
    continue when exists (
      select
      from pg_catalog.pg_proc
      where pg_proc.oid = to_regprocedure(format('postern.%I()', writer.name)) and pg_proc.prosrc = writer.source
    );
    begin
      -- Security definer: a role that may write the table has no right to write the outbox.
      execute format(
        'create or replace function postern.%I() returns trigger language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as %L',
        writer.name,
        writer.source
      );
      execute format('revoke execute on function postern.%I() from public', writer.name);
      execute format('comment on function postern.%I() is %L', writer.name,
        format('Trigger: writes to the outbox which rows changed, by %s.', coalesce(array_to_string(postern.row_key_of(root), ', '), 'nothing but the table')));
      -- A function that the script of an extension creates belongs to the extension, and would be dropped with it.
      for extension in
        select pg_extension.extname
        from pg_catalog.pg_depend
        join pg_catalog.pg_extension on pg_extension.oid = pg_depend.refobjid
        where pg_depend.classid = 'pg_catalog.pg_proc'::regclass
          and pg_depend.objid = to_regprocedure(format('postern.%I()', writer.name))
          and pg_depend.deptype = 'e'
      loop
        execute format('alter extension %I drop function postern.%I()', extension, writer.name);
      end loop;
    exception
      -- Another session has just created it.
      when unique_violation or duplicate_function then null;
    end;
  end loop;
end
$$;
comment on function postern.make_outbox_writers(regclass) is 'Creates the trigger functions for the key of a table, and replaces those that have another source.';

create or replace function postern.family_of(root oid)
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

-- Takes all roots at once, because the catalog asks about all of them.
create or replace function postern.trigger_reasons(roots oid[])
returns table (root oid, relation oid, event text, reason text, remedy text)
language sql stable
set search_path = pg_catalog, pg_temp
-- As in postern.key_expression.
set quote_all_identifiers = off
as $$
  with recursive family (root, relation) as (
    select member.root, member.root
    from unnest(roots) as member (root)
    union
    select family.root, pg_inherits.inhrelid
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhparent = family.relation
  ),
  -- A statement on the other parent fires that parent's triggers only.
  shared_child as materialized (
    select family.root, family.relation
    from family
    join pg_catalog.pg_inherits on pg_inherits.inhrelid = family.relation
    left join family as parent on parent.root = family.root and parent.relation = pg_inherits.inhparent
    where parent.root is null
  ),
  keyed as materialized (
    -- Not a join, which would compare each root with each key: PostgreSQL expects ten roots.
    select member.root, coalesce(max(member.expression), quote_literal('*')) as key
    from (
      select given.root, null
      from unnest(roots) as given (root)
      union all
      select keys.root, keys.expression
      from postern.row_keys as keys
      where keys.root = any (roots)
    ) as member (root, expression)
    group by member.root
  ),
  -- Most tables have a key of the same form, so this asks for each form once.
  writer as materialized (
    select
      form.key,
      event.name as event,
      event.type,
      (
        select proc.oid
        from pg_catalog.pg_proc as proc
        where proc.oid = to_regprocedure(format('postern.%I()', postern.outbox_writer_of(form.key, event.name)))
          and (event.name = 'truncate' or proc.prosrc = postern.outbox_writer_source(form.key, event.name))
      ) as oid
    from (select distinct keyed.key from keyed) as form
    -- after, statement level: neither of the bits 1 (row) and 2 (before)
    cross join (values ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) as event (name, type)
  ),
  expected as materialized (
    select keyed.root, writer.event as name, writer.type, writer.oid as writer
    from keyed
    join writer on writer.key = keyed.key
  )
  select
    family.root,
    class.oid,
    expected.name,
    case
      when class.relkind = 'f' then 'is a foreign table: its changes are not seen'
      when judged.remedy = 'create' then format('has no trigger postern_%s', expected.name)
      when judged.remedy = 'replace' then format('has a trigger postern_%s that is out of date', expected.name)
      when judged.remedy = 'enable' then format('has a trigger postern_%s that is not ENABLE ALWAYS', expected.name)
      when exists (select from pg_catalog.pg_subscription_rel where pg_subscription_rel.srrelid = class.oid)
        then 'is written by logical replication, which fires no statement triggers'
      when exists (select from shared_child where shared_child.root = family.root and shared_child.relation = class.oid)
        then 'inherits from several tables'
    end,
    judged.remedy
  from family
  join expected on expected.root = family.root
  join pg_catalog.pg_class as class on class.oid = family.relation
  left join pg_catalog.pg_trigger as trigger
    on trigger.tgrelid = class.oid and trigger.tgname = ('postern_' || expected.name)::name and not trigger.tgisinternal
  cross join lateral (
    select case
      when class.relkind = 'f' then null
      when trigger.oid is null then 'create'
      when trigger.tgfoid is distinct from expected.writer
        or trigger.tgtype <> expected.type
        or trigger.tgqual is not null
        then 'replace'
      when trigger.tgenabled <> 'A' then 'enable'
    end
  ) as judged (remedy)
  -- No other session sees the rows of a temporary child.
  where class.relpersistence <> 't'
$$;
comment on function postern.trigger_reasons(oid[]) is
'For each trigger of tracked tables and their descendants: the reason why it misses changes, or null, and what mends it: create, replace, enable.';

-- A trigger that the operator disabled stays disabled, unless enable is true.
create or replace function postern.make_triggers(root regclass, enable boolean)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
begin
  perform postern.make_outbox_writers(root);
  for made in
    select fault.relation::regclass, fault.event, fault.remedy
    from postern.trigger_reasons(array[root::oid]) as fault
    where fault.remedy in ('create', 'replace') or (enable and fault.remedy = 'enable')
  loop
    if made.remedy <> 'enable' then
      execute format(
        'create or replace trigger postern_%1$s after %1$s on %2$s %3$s for each statement execute function postern.%4$I()',
        made.event,
        made.relation,
        case made.event
          when 'insert' then 'referencing new table as changed_rows'
          when 'delete' then 'referencing old table as changed_rows'
          when 'update' then 'referencing old table as old_rows new table as new_rows'
          else ''
        end,
        postern.outbox_writer_of(postern.key_expression(root), made.event)
      );
    end if;
    -- ALWAYS: the trigger fires in a restore, too, where session_replication_role is replica. ONLY: this loop visits each partition.
    execute format('alter table only %s enable always trigger postern_%s', made.relation, made.event);
  end loop;
  delete from postern.tracking_failures as failure where failure.relation = root;
end
$$;
comment on function postern.make_triggers(regclass, boolean) is
'Creates the triggers that a tracked table and its descendants lack, and replaces those that are out of date.';

create or replace function postern.repair()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  tracked record;
begin
  perform set_config('postern.is_tracking', 'on', true);
  for tracked in
    select tracked_relations.relation
    from postern.tracked_relations
    join pg_catalog.pg_class on pg_class.oid = tracked_relations.relation
    order by tracked_relations.relation::oid
  loop
    perform postern.make_triggers(tracked.relation, false);
  end loop;
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.repair() is
'Brings the triggers of all tracked tables and their functions up to date. Each upgrade calls it. A trigger that the operator disabled stays disabled.';

create or replace function postern.drop_triggers(root oid)
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
  delete from postern.tracking_failures as failure where failure.relation = root;
end
$$;
comment on function postern.drop_triggers(oid) is 'Drops the triggers of a table and its descendants.';
