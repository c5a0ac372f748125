-- If-Match: before a write of one row, the row is locked as the caller, and then the outbox is asked whether the row has changed. Each
-- statement takes its own snapshot, so it sees all changes of those who held the lock before. A change that cannot be told apart from one
-- of this row counts as one.

-- Security invoker: grants and policies decide which row is locked. It sets no search path, because policies run in the caller's.
create or replace function postern.check_row()
returns void
language plpgsql volatile
as $$
declare
  -- {"relation": [schema, name], "columns": those of the primary key, "key": a text for each, "since": cursor}. since: "*" for any version of the row, null for none.
  sent jsonb := (current_setting('request.headers')::json ->> 'postern-match')::jsonb;
  key text;
begin
  if sent is null then
    return;
  end if;
  begin
    execute postern.locking_query(sent) into key;
  exception
    when insufficient_privilege then
      if current_setting('request.method', true) = 'DELETE'
        and has_table_privilege(format('%I.%I', sent -> 'relation' ->> 0, sent -> 'relation' ->> 1), 'delete')
      then
        raise sqlstate 'PT400' using
          message = 'precondition_unsupported',
          detail = 'the row cannot be locked for this caller: that takes the right to update a column of it';
      end if;
      raise;
    -- The row was moved to another partition, or this transaction has an older snapshot.
    when serialization_failure then key := null;
  end;
  if key is null then
    raise sqlstate 'PT412' using message = 'precondition_failed', detail = 'there is no such row that this caller may update';
  elsif sent ->> 'since' = '*' then
    return;
  elsif postern.has_changed(sent, key) then
    raise sqlstate 'PT412' using message = 'precondition_failed', detail = 'the row has changed since that answer, or may have';
  end if;
end
$$;
comment on function postern.check_row() is 'Locks the row that this write names, as the caller, and refuses the write unless the row is as If-Match says.';

-- Security definer: callers may not read what is tracked.
create or replace function postern.locking_query(sent jsonb)
returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  relation regclass := to_regclass(format('%I.%I', sent -> 'relation' ->> 0, sent -> 'relation' ->> 1));
  roots oid[] := postern.roots_of(relation);
  key text[] := postern.row_key_of(roots[1]);
  reason text;
begin
  select coalesce(
    case
      when relation is null then 'there is no such table'
      when cardinality(roots) <> 1 or not exists (select from postern.tracked_relations as tracked where tracked.relation = roots[1])
        then format('%s is not tracked', relation)
      -- The gateway has asked the feed by a tag with the columns in this order.
      when key is distinct from array(select jsonb_array_elements_text(sent -> 'columns'))
        then format('rows of %s are not named by its primary key', relation)
    end,
    (select min(format('%s %s', fault.relation::regclass, fault.reason)) from postern.trigger_reasons(roots) as fault where fault.reason is not null)
  ) into reason;
  if reason is not null then
    raise sqlstate 'PT400' using message = 'precondition_unsupported', detail = reason;
  end if;
  -- Inheritance children may have rows of the same key: all are locked.
  return format(
    'select min(locked.key) from (select %s as key from %s as this where %s for %s) as locked',
    postern.key_expression(roots[1]),
    relation,
    (
      select string_agg(format('this.%I = %L', named.column, sent -> 'key' ->> named.position::integer - 1), ' and ')
      from unnest(key) with ordinality as named ("column", position)
    ),
    -- An update lets others insert rows that refer to this one.
    case current_setting('request.method', true) when 'DELETE' then 'update' else 'no key update' end
  );
end
$$;
comment on function postern.locking_query(jsonb) is 'The query that locks the row of Postern-Match and gives its key as tags write it. Refuses where changes of the row would be missed.';

-- Security definer: callers may not read the outbox.
create or replace function postern.has_changed(sent jsonb, key text)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- As in postern.changes_since.
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
  cursor text := sent ->> 'since';
  root oid := (postern.roots_of(to_regclass(format('%I.%I', sent -> 'relation' ->> 0, sent -> 'relation' ->> 1))))[1];
  since pg_snapshot;
begin
  if cursor is null or split_part(cursor, '@', 1) <> postern.database_incarnation() then
    return true;
  end if;
  since := split_part(cursor, '@', 2)::pg_snapshot;
  return pg_snapshot_xmin(since) < (select horizon.pruned_below from postern.horizon)
    or exists (
      select
      from (
        select outbox.xid, outbox.tag, outbox.rows
        from postern.outbox
        where outbox.xid >= pg_snapshot_xmax(since)
        union all
        select outbox.xid, outbox.tag, outbox.rows
        from postern.outbox
        where outbox.xid = any (array(select pg_snapshot_xip(since)))
      ) as written
      -- Another pre-request function may have written the row.
      where written.xid is distinct from pg_current_xact_id_if_assigned()
        and case
          when written.tag !~ '^[0-9]+$' then true
          when (postern.roots_of(written.tag::oid))[1] <> root then false
          else written.rows is null
            or cardinality(written.rows) > 100
            or exists (select from unnest(written.rows) as one (key) where coalesce(one.key, '*') in (has_changed.key, '*'))
        end
    );
end
$$;
comment on function postern.has_changed(jsonb, text) is 'Whether the outbox holds, or may have held, a change of this row by another transaction that the cursor does not show.';
