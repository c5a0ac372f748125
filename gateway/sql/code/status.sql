-- What the operator asks: what is tracked, what is wrong with it, and what is lost without event triggers.

create or replace function postern.status()
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  select jsonb_build_object(
    'contract', postern.contract(),
    'programs', (select jsonb_object_agg(programs.program, programs.version) from postern.programs),
    'databaseIncarnation', case when not pg_is_in_recovery() then postern.database_incarnation() end,
    'isWatched', postern.is_watched(),
    'lost', case when postern.is_watched() then '[]'::jsonb else jsonb_build_array(
      'every TRUNCATE empties the cache: it cannot be told from a change of the schema',
      'new partitions and new tables of a tracked schema are tracked only after postern.track or postern.track_schema is called again',
      'materialized views are not cached: nothing tells of their REFRESH'
    ) end,
    'tracked', (
      select coalesce(jsonb_agg(jsonb_build_object('relation', postern.tag_of(tracked.relation), 'reason', facts.reason) order by tracked.relation::text), '[]')
      from postern.tracked_relations as tracked
      join postern.relation_facts as facts on facts.node = tracked.relation
    ),
    'outboxRows', (select count(*) from postern.outbox),
    -- A pruning that succeeds notes its time once in an hour. Late means that the Worker does not call it, or that it fails.
    'pruning', (
      select jsonb_build_object('notedAt', horizon.noted_at, 'isLate', horizon.noted_at < clock_timestamp() - interval '3 hours')
      from postern.horizon
    )
  )
$$;
comment on function postern.status() is
'For the operator: the contract, what is tracked, the reason why a tracked table is not cacheable, and what is lost without event triggers.';
