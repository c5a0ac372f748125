-- Pruning: rows of the outbox go when every transaction below them ended `retention` ago. So a cursor younger than `retention` still
-- finds all that it needs, also while long transactions run. Expired idempotency keys go as well. The Worker calls it once a minute in a
-- transaction that may write.

create or replace function postern.prune(retention interval default '1 hour', batch integer default 10000)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  noted postern.horizon;
  snapshot pg_snapshot;
  pruned bigint;
begin
  perform postern.prune_claims(batch);
  -- Another session is pruning.
  select * into noted from postern.horizon for update skip locked;
  if not found then
    return jsonb_build_object('pruned', 0, 'isDone', false);
  end if;
  -- Taken after the lock: another session may have pruned further in the meantime.
  snapshot := pg_current_snapshot();

  if greatest(noted.pruned_below, noted.prune_next) > pg_snapshot_xmax(snapshot) then
    -- The horizon came with a dump of another server, as did rows whose transaction ids this server has not assigned yet. The
    -- statement takes its own snapshot: with the one above it would delete what was committed since.
    delete from postern.outbox where outbox.xid >= pg_snapshot_xmax(pg_current_snapshot());
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

  delete from postern.outbox
  where outbox.ctid = any (array(
    select old.ctid
    from postern.outbox as old
    where old.xid < noted.pruned_below
    limit batch
  ));
  get diagnostics pruned = row_count;
  -- For what no event trigger told, and what one left to another transaction.
  perform postern.analyze_after('PRUNE');
  return jsonb_build_object('pruned', pruned, 'isDone', pruned < batch);
end
$$;
comment on function postern.prune(interval, integer) is 'Removes at most batch rows of the outbox, which no cursor younger than retention can need, and at most batch expired idempotency keys.';
