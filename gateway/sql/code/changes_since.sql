-- What the Worker polls: the tags that changed since its cursor.
--
-- The cursor is "incarnation@snapshot@digest". A change is reported when its transaction is visible in the snapshot of this call and
-- was not visible in the cursor's. So it is reported once, in any order of commits and while any other transactions run.
-- Where the digest is another, something changed that nothing wrote to the outbox, so that counts as a change of the catalog.

create or replace function postern.contract()
returns integer
language sql immutable
return 1;
comment on function postern.contract() is
'The version of what changes_since and catalog answer and of the grammar of tags. A Worker that does not know it caches nothing.';

-- Transaction ids can be compared only within one incarnation of a database. A new incarnation begins where any of these differs:
--   system identifier, timeline: another server, a promoted standby, a restore to a point in time
--   oids of the database and of the outbox: a copy as template, a loaded dump
--   start of the server: it may have started on an older copy of its disk
--   reset of the statistics: the server recovered from a crash, and then reuses ids that it never wrote to disk
create or replace function postern.database_incarnation()
returns text
-- Not SQL: up to PostgreSQL 17, each query that calls such a function plans it again.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return left(md5(concat_ws(
    ' ',
    (select control.system_identifier from pg_catalog.pg_control_system() as control),
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (select pg_database.oid from pg_catalog.pg_database where pg_database.datname = current_database()),
    'postern.outbox'::regclass::oid,
    extract(epoch from pg_postmaster_start_time()),
    extract(epoch from pg_stat_get_bgwriter_stat_reset_time())
  )), 16);
end
$$;
comment on function postern.database_incarnation() is 'Names the time within which transaction ids of this database can be compared.';

create or replace function postern.changes_since(cursor text default null)
returns jsonb
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- The rows are few and at the end of the index. The statistics may say otherwise.
set enable_seqscan = off
set plan_cache_mode = force_custom_plan
-- Up to PostgreSQL 17, a forbidden sequential scan gets a cost so high that JIT would compile the query.
set jit = off
as $$
declare
  snapshot pg_snapshot;
  since pg_snapshot;
  incarnation text;
  digest text := postern.digest();
  pruned_below xid8;
  reason text;
  tags jsonb := '[]';
begin
  if pg_is_in_recovery() then
    -- A standby's snapshots do not tell which transactions are running.
    raise sqlstate 'PT503' using message = 'changes are read from the primary server, and this is a standby';
  end if;
  snapshot := pg_current_snapshot();
  incarnation := postern.database_incarnation();
  select horizon.pruned_below into strict pruned_below from postern.horizon;

  if cursor is null or cursor = '' then
    reason := 'there is no cursor';
  elsif cursor !~ '^[0-9a-f]+@[0-9]{1,19}:[0-9]{1,19}:([0-9]{1,19}(,[0-9]{1,19})*)?(@[0-9a-f]{32})?$' then
    reason := 'the cursor was not made by this function';
  elsif split_part(cursor, '@', 1) <> incarnation then
    reason := 'the server or the database is another, or was restarted or restored';
  else
    since := split_part(cursor, '@', 2)::pg_snapshot;
    if pg_snapshot_xmax(since) > pg_snapshot_xmax(snapshot) then
      reason := 'the cursor is ahead of the database';
    -- A horizon that is ahead of the database was loaded from a dump of another one.
    elsif pg_snapshot_xmin(since) < pruned_below and pruned_below <= pg_snapshot_xmax(snapshot) then
      reason := 'changes since the cursor have been pruned';
    end if;
  end if;

  -- Nearly every poll finds nothing, and the query below takes longer to plan than to run.
  if reason is null and (
    split_part(cursor, '@', 3) <> digest
    or exists (select from postern.outbox where outbox.xid >= pg_snapshot_xmax(since))
    or exists (select from postern.outbox where outbox.xid = any (array(select pg_snapshot_xip(since))))
  ) then
    with written as (
      select outbox.tag, outbox.rows
      from postern.outbox
      where outbox.xid >= pg_snapshot_xmax(since)
        and pg_visible_in_snapshot(outbox.xid, snapshot)
      union all
      -- Transactions that were running when the cursor was made.
      select outbox.tag, outbox.rows
      from postern.outbox
      where outbox.xid = any (array(select pg_snapshot_xip(since)))
        and pg_visible_in_snapshot(outbox.xid, snapshot)
      union all
      -- A cursor of a version before 0.2.0 has no digest.
      select 'catalog', null
      where split_part(cursor, '@', 3) <> digest
    ),
    -- A table is called as the snapshot shows, not as its writer knew it. A rename that the snapshot does not show will write "catalog". A table that is gone counts as a change of the catalog.
    called as materialized (
      select one.tag as written, coalesce(case when one.tag ~ '^[0-9]+$' then postern.tag_of(one.tag::oid) else one.tag end, 'catalog') as tag
      from (select distinct written.tag from written) as one
    ),
    changed as (
      select called.tag, case when called.tag <> 'catalog' then written.rows end as rows
      from written
      join called on called.written = written.tag
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
    'contract', postern.contract(),
    -- The versions that answer. PostgREST names itself so where its header Server does not arrive.
    'postgres', current_setting('server_version_num')::integer / 10000,
    'application', current_setting('application_name'),
    'cursor', concat_ws('@', incarnation, snapshot, digest),
    'reset', reason is not null,
    'reason', reason,
    'tags', tags
  );
end
$$;
comment on function postern.changes_since(text) is
'The tags of what was committed since the cursor, and the cursor for the next call. reset: the changes cannot be told, for this reason, so anything may have changed.';
