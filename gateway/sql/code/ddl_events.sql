-- What event triggers write to the outbox: changes of the schema, of policies and of grants, and REFRESH MATERIALIZED VIEW. They
-- also keep the triggers of tracked tables up to date, and track new tables of tracked schemas.

-- A failure of tracking never fails the user's command: it is noted here, and postern.status() lists it.
create or replace function postern.note_failure(relation oid, reason text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  raise warning 'tracking of % failed: %', relation::regclass, reason;
  insert into postern.tracking_failures (relation, reason)
  values (note_failure.relation, note_failure.reason)
  on conflict on constraint tracking_failures_pkey do update
  set reason = excluded.reason, failed_at = excluded.failed_at;
end
$$;
comment on function postern.note_failure(oid, text) is 'Notes that an event trigger could not bring the triggers of a table up to date.';

-- A table that was just created changes no answer, unless it is to be tracked, is a part of another table, is linked to one by a
-- foreign key, or has the name of another relation or type, which the text of a function may mean. Its indexes and sequences change none.
create or replace function postern.is_unrelated(created oid)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select class.relkind in ('i', 'I', 'S') or (
    class.relkind in ('r', 'p')
    and not exists (select from postern.tracked_schemas where tracked_schemas.schema = class.relnamespace)
    and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = created)
    and not exists (select from pg_catalog.pg_constraint where conrelid = created and contype = 'f' and confrelid <> created)
    and not exists (select from pg_catalog.pg_class as other where other.relname = class.relname and other.oid <> created)
    and not exists (
      select
      from pg_catalog.pg_type as own
      join pg_catalog.pg_type as other on other.typname = own.typname and other.oid <> own.oid
      where own.oid = class.reltype or own.typelem = class.reltype
    )
  )
  from pg_catalog.pg_class as class
  where class.oid = created
$$;
comment on function postern.is_unrelated(oid) is 'Whether no answer depends on the creation of a relation.';

-- What event triggers see

create or replace function postern.write_outbox_after_ddl()
returns event_trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  touched oid[];
  outdated oid[];
  made record;
begin
  -- What the analysis of a function makes is undone at once.
  if current_setting('postern.is_analyzing', true) = 'on' then
    return;
  end if;
  -- DROP OWNED removes roles from policies, and pg_event_trigger_ddl_commands does not list that.
  if tg_tag = 'DROP OWNED' then
    perform postern.flush();
  end if;
  -- Temporary objects concern one session only. Indexes and comments change no answer.
  if tg_tag in ('CREATE INDEX', 'REINDEX', 'COMMENT') or not exists (
    select
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.schema_name is distinct from 'pg_temp'
      and not (
        tg_tag in ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
        and command.classid = 'pg_catalog.pg_class'::regclass
        and postern.is_unrelated(command.objid) is true
      )
  ) then
    return;
  end if;

  touched := array(
    select command.objid
    from pg_catalog.pg_event_trigger_ddl_commands() as command
    where command.classid = 'pg_catalog.pg_class'::regclass
      and command.schema_name is distinct from 'pg_temp'
  );
  if tg_tag = 'REFRESH MATERIALIZED VIEW' then
    insert into postern.outbox (tag, rows)
    select textin(oidout(refreshed)), '{*}' from unnest(touched) as refreshed;
    return;
  end if;
  perform postern.flush();
  -- Any session may set this. What is then left out here, the catalog reports, and nothing of such a table is cached.
  if current_setting('postern.is_tracking', true) = 'on' then
    return;
  end if;
  perform postern.analyze_after(tg_tag);
  perform set_config('postern.is_tracking', 'on', true);
  -- No command names a partition that was detached. Its triggers would go on reading a key that it may lose.
  for made in
    select class.oid as relation
    from pg_catalog.pg_class as class
    where (class.oid = any (touched) or tg_tag = 'ALTER TABLE')
      and exists (select from pg_catalog.pg_trigger where tgrelid = class.oid and tgname = 'postern_insert')
      and class.relkind in ('r', 'p')
      and not exists (
        select from postern.tracked_relations as tracked
        where tracked.relation = class.oid or tracked.relation = any (postern.roots_of(class.oid))
      )
  loop
    begin
      perform postern.drop_triggers(made.relation);
    exception
      when others then perform postern.note_failure(made.relation, sqlerrm);
    end;
  end loop;
  if tg_tag in ('ALTER TABLE', 'ALTER INDEX') then
    -- No command names a table whose key became valid through the index of a partition, either. A child with two roots is left
    -- alone: each root would take the triggers from the other.
    outdated := array(
      select fault.root
      from postern.trigger_reasons(array(select tracked.relation::oid from postern.tracked_relations as tracked)) as fault
      where fault.remedy = 'replace'
        and not exists (
          select from postern.family_of(fault.root) as member where cardinality(postern.roots_of(member.relation)) > 1
        )
    );
  end if;
  for made in
    select
      class.oid::regclass as relation,
      schema.max_staleness,
      tracked.relation is null as is_new
    from pg_catalog.pg_class as class
    left join postern.tracked_relations as tracked on tracked.relation = class.oid
    left join postern.tracked_schemas as schema on schema.schema = class.relnamespace
    where class.relkind in ('r', 'p')
      and class.relpersistence <> 't'
      and (
        (
          tracked.relation is not null
          -- Its root stands for it.
          and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
          and (
            class.oid = any (outdated)
            -- ALTER TYPE changes the columns of typed tables.
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
    begin
      if made.is_new then
        insert into postern.tracked_relations (relation, max_staleness) values (made.relation, made.max_staleness);
      end if;
      perform postern.make_triggers(made.relation, made.is_new);
    exception
      when others then perform postern.note_failure(made.relation, sqlerrm);
    end;
  end loop;
  perform set_config('postern.is_tracking', '', true);
end
$$;
comment on function postern.write_outbox_after_ddl() is 'Event trigger: writes to the outbox that the catalog changed or a materialized view was refreshed, and tracks new tables of tracked schemas.';

create or replace function postern.write_outbox_after_drop()
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
      -- A dropped table changes no answer, unless it was tracked, something else was dropped with it, such as a view, a foreign key
      -- (which has triggers) or a column of its type, or its name now means another relation or type.
      and not (
        tg_tag = 'DROP TABLE'
        and dropped.object_type in ('table', 'type', 'sequence', 'default value', 'table constraint')
        and not exists (select from postern.tracked_relations where tracked_relations.relation = dropped.objid)
        and (
          dropped.object_type not in ('table', 'type')
          or not exists (select from pg_catalog.pg_class where pg_class.relname = dropped.object_name)
          and not exists (select from pg_catalog.pg_type where pg_type.typname = dropped.object_name)
        )
      )
  ) then
    return;
  end if;
  perform postern.flush();
  delete from postern.tracked_relations
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_relations.relation = dropped.objid and dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid = 0;
  delete from postern.tracking_failures
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracking_failures.relation = dropped.objid and dropped.classid = 'pg_catalog.pg_class'::regclass and dropped.objsubid = 0;
  delete from postern.tracked_schemas
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where tracked_schemas.schema = dropped.objid and dropped.classid = 'pg_catalog.pg_namespace'::regclass;
  delete from postern.cacheable_functions
  using pg_catalog.pg_event_trigger_dropped_objects() as dropped
  where cacheable_functions.function = dropped.objid and dropped.classid = 'pg_catalog.pg_proc'::regclass;
  -- A column that was dropped with another object may have belonged to the key.
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
      when others then perform postern.note_failure(shortened, sqlerrm);
    end;
  end loop;
  perform set_config('postern.is_tracking', was_tracking, true);
  if was_tracking <> 'on' then
    perform postern.analyze_after(tg_tag);
  end if;
end
$$;
comment on function postern.write_outbox_after_drop() is 'Event trigger: writes to the outbox that something was dropped, and deletes its row from the tables of postern.';

create or replace function postern.is_watched()
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return (
  select count(*) = 2
  from pg_catalog.pg_event_trigger
  where (evtname, evtfoid) in (
      ('postern_after_ddl', 'postern.write_outbox_after_ddl()'::regprocedure),
      ('postern_after_drop', 'postern.write_outbox_after_drop()'::regprocedure)
    )
    and evtenabled = 'A'
);
comment on function postern.is_watched() is 'Whether event triggers write changes of the catalog to the outbox as they happen.';

do $$
begin
  create event trigger postern_after_ddl on ddl_command_end execute function postern.write_outbox_after_ddl();
  create event trigger postern_after_drop on sql_drop execute function postern.write_outbox_after_drop();
  -- ALWAYS: they fire also where session_replication_role is replica.
  alter event trigger postern_after_ddl enable always;
  alter event trigger postern_after_drop enable always;
exception
  when insufficient_privilege then
    raise warning 'there are no event triggers, because % may not create them: select postern.status() says what is lost', current_user;
end
$$;
