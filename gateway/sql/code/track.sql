-- What the operator calls: track, untrack, track_schema, untrack_schema, and flush after writes that no trigger could see.

create or replace function postern.flush()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  insert into postern.outbox (tag) values ('catalog')
$$;
comment on function postern.flush() is 'Writes to the outbox that anything may have changed. Call it after writes that no trigger could see.';

create or replace function postern.trackable_root(relation regclass)
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
      using errcode = 'wrong_object_type', hint = 'Track the tables that it reads: postern.catalog finds them.';
  elsif class.relkind = 'm' then
    raise exception '% is a materialized view', relation
      using errcode = 'wrong_object_type', hint = 'It need not be tracked: an event trigger sees REFRESH MATERIALIZED VIEW.';
  elsif class.relkind = 'f' then
    raise exception '% is a foreign table', relation
      using errcode = 'wrong_object_type', hint = 'Its changes happen elsewhere. Copy it into a table or a materialized view.';
  elsif class.relkind is null or class.relkind not in ('r', 'p') then
    raise exception '% is not a table', relation using errcode = 'wrong_object_type';
  elsif class.relpersistence = 't' then
    raise exception '% is a temporary table', relation using errcode = 'wrong_object_type';
  elsif class.relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'postern'::regnamespace) then
    raise exception '% belongs to the system or to postern', relation using errcode = 'wrong_object_type';
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
    raise notice '% belongs to %, which is tracked with all of its partitions or children', relation, roots[1]::regclass;
  end if;
  return roots[1];
end
$$;
comment on function postern.trackable_root(regclass) is 'The root that is tracked when a relation is. Where it cannot be tracked, an error that says what to do.';

create or replace function postern.track_table(relation regclass, max_staleness interval)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  root regclass := postern.trackable_root(relation);
begin
  -- Tells the event triggers that this DDL needs no repair.
  perform set_config('postern.is_tracking', 'on', true);
  insert into postern.tracked_relations (relation, max_staleness)
  values (root, track_table.max_staleness)
  on conflict on constraint tracked_relations_pkey do update
  set max_staleness = excluded.max_staleness;
  perform postern.make_triggers(root, true);
  perform postern.flush();
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.track_table(regclass, interval) is
'What postern.track does, except for the analysis of functions: call postern.analyze_functions() after the last table.';

create or replace function postern.track(relation regclass, max_staleness interval default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform postern.track_table(relation, max_staleness);
  -- Requests may now begin with the schema of the table.
  perform postern.analyze_functions();
end
$$;
comment on function postern.track(regclass, interval) is
'Writes the changes of a table, with its partitions and children, to the outbox. max_staleness: the age of the oldest allowed answer, where it is not the gateway''s default.';

create or replace function postern.untrack(relation regclass)
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
comment on function postern.untrack(regclass) is 'Stops tracking a table. Answers from it are no longer cached.';

create or replace function postern.tables_to_track(schema regnamespace)
returns table (relation regclass, is_foreign boolean, max_staleness interval)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select pg_class.oid::regclass, pg_class.relkind = 'f', tracked.max_staleness
  from pg_catalog.pg_class
  left join postern.tracked_relations as tracked on tracked.relation = pg_class.oid
  where pg_class.relnamespace = tables_to_track.schema
    and pg_class.relkind in ('r', 'p', 'f')
    and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = pg_class.oid)
  order by pg_class.relname
$$;
comment on function postern.tables_to_track(regnamespace) is 'The tables of a schema, except for partitions and children, with the maximum staleness of those that are tracked now.';

create or replace function postern.track_schema(schema regnamespace, max_staleness interval default null)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  class record;
begin
  insert into postern.tracked_schemas (schema, max_staleness)
  values (track_schema.schema, track_schema.max_staleness)
  on conflict on constraint tracked_schemas_pkey do update
  set max_staleness = excluded.max_staleness;
  for class in
    select
      found.relation,
      found.is_foreign,
      coalesce(track_schema.max_staleness, found.max_staleness) as max_staleness
    from postern.tables_to_track(track_schema.schema) as found
    -- `postern track` has tracked them one by one, each in a transaction of its own.
    where not exists (
      select from postern.tracked_relations as tracked
      where tracked.relation = found.relation
        and tracked.max_staleness is not distinct from coalesce(track_schema.max_staleness, found.max_staleness)
    )
    or found.relation in (
      select fault.root
      from postern.trigger_reasons(array(select tracked.relation::oid from postern.tracked_relations as tracked)) as fault
      where fault.remedy is not null
    )
  loop
    if class.is_foreign then
      raise notice '% is a foreign table and is not tracked', class.relation;
      continue;
    end if;
    begin
      perform postern.track_table(class.relation, class.max_staleness);
    exception
      when wrong_object_type or feature_not_supported then
        raise notice '% is not tracked: %', class.relation, sqlerrm;
    end;
  end loop;
  -- Requests may now begin with the schema.
  perform postern.analyze_functions();
end
$$;
comment on function postern.track_schema(regnamespace, interval) is 'Tracks every table of a schema, and each table that is created in it later. Without max_staleness, tables that are tracked keep theirs.';

create or replace function postern.untrack_schema(schema regnamespace)
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
comment on function postern.untrack_schema(regnamespace) is 'Stops tracking all tables of a schema.';
