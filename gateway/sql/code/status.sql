-- What the operator asks: what is tracked, what is wrong with it, and what is lost without event triggers.

create or replace function postern.track_statement(relation regclass, max_staleness interval)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
return 'select postern.track(' || quote_literal(relation::text) || coalesce(', ' || quote_literal(max_staleness::text), '') || ')';
comment on function postern.track_statement(regclass, interval) is 'The statement that tracks a table as it is tracked now. Null where there is no table.';

create or replace function postern.status()
returns jsonb
language sql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
  with tracked as materialized (
    select postern.tag_of(tracked_relations.relation) as relation, facts.reason, tracked_relations.relation as root, tracked_relations.max_staleness
    from postern.tracked_relations
    join postern.relation_facts(
      array(select one.relation::oid from postern.tracked_relations as one), postern.zoned_types()
    ) as facts on facts.node = tracked_relations.relation
  ),
  failure as (
    select failed.relation::regclass::text as relation, failed.reason, failed.failed_at, tracked.root, tracked.max_staleness
    from postern.tracking_failures as failed
    left join tracked on tracked.root = failed.relation
    where exists (select from pg_catalog.pg_class where pg_class.oid = failed.relation)
  ),
  -- A pruning that succeeds notes its time once in an hour. Late means that the Worker does not call it, or that it fails.
  pruning as (
    select horizon.noted_at, horizon.noted_at < clock_timestamp() - interval '3 hours' as is_late
    from postern.horizon
  ),
  -- track mends triggers. Where it cannot, the writers pay for nothing.
  repairable as materialized (
    select fault.root from postern.trigger_reasons(array(select tracked.root::oid from tracked)) as fault where fault.remedy is not null
  ),
  wrong (sentence, mend) as (
    select
      tracked.reason,
      case
        when tracked.root in (select repairable.root from repairable) then postern.track_statement(tracked.root, tracked.max_staleness)
        else format('select postern.untrack(%L)', tracked.root)
      end
    from tracked
    union
    select
      format('tracking of %s failed: %s', failure.relation, failure.reason),
      coalesce(postern.track_statement(failure.root, failure.max_staleness), format('select postern.untrack(%L)', failure.relation))
    from failure
    union
    select format('the outbox was last pruned at %s', pruning.noted_at), 'select postern.prune()' from pruning where pruning.is_late
  )
  select jsonb_build_object(
    'contract', postern.contract(),
    'postgres', current_setting('server_version_num')::integer / 10000,
    'application', current_setting('application_name'),
    'programs', (select jsonb_object_agg(programs.program, programs.version) from postern.programs),
    'databaseIncarnation', case when not pg_is_in_recovery() then postern.database_incarnation() end,
    'isWatched', postern.is_watched(),
    'lost', case when postern.is_watched() then '[]'::jsonb else jsonb_build_array(
      'every TRUNCATE empties the cache: it cannot be told from a change of the schema',
      'new partitions and new tables of a tracked schema are tracked only after postern.track or postern.track_schema is called again',
      'materialized views are not cached: nothing tells of their REFRESH'
    ) end,
    'tracked', (
      select coalesce(jsonb_agg(jsonb_build_object('relation', tracked.relation, 'reason', tracked.reason) order by tracked.relation), '[]')
      from tracked
    ),
    'untracked', (
      select coalesce(jsonb_agg(class.oid::regclass::text order by class.oid::regclass::text), '[]')
      from postern.tracked_schemas
      join pg_catalog.pg_class as class on class.relnamespace = tracked_schemas.schema
      where class.relkind in ('r', 'p', 'f')
        and class.relpersistence <> 't'
        and not exists (select from pg_catalog.pg_inherits where pg_inherits.inhrelid = class.oid)
        and not exists (select from postern.tracked_relations as one where one.relation = class.oid)
    ),
    'failures', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'relation', failure.relation, 'reason', failure.reason, 'failedAt', failure.failed_at
      ) order by failure.relation), '[]')
      from failure
    ),
    'outboxRows', (select count(*) from postern.outbox),
    'pruning', (select jsonb_build_object('notedAt', pruning.noted_at, 'isLate', pruning.is_late) from pruning),
    'wrong', (select coalesce(jsonb_agg(wrong.sentence order by wrong.sentence), '[]') from wrong where wrong.sentence is not null),
    -- the statement that mends each
    'mends', (select coalesce(jsonb_object_agg(wrong.sentence, wrong.mend), '{}') from wrong where wrong.sentence is not null)
  )
$$;
comment on function postern.status() is
'For the operator: the contract, what is tracked, which tables of tracked schemas are not, what is lost without event triggers, and what is wrong, with what mends it.';
