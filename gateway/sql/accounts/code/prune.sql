-- prune: sign-ups, sign-ins and refreshes delete what is over, each a little

-- A used token is kept for the lifetime of a token: a thief who presents it must be recognised.
create or replace function auth.prune()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A bounded number of rows each time, and only those that no other transaction has locked. An array is computed once: as a join or
  -- an `in`, the planner may run the select again for each row, and so delete them all.
  delete from auth.throttles
  where ctid = any (array(
    select ctid
    from auth.throttles
    where until < now()
    order by until
    limit 50
    for update skip locked
  ));

  delete from auth.refresh_tokens
  where ctid = any (array(
    select ctid
    from auth.refresh_tokens
    where issued_at < now() - auth.session_lifetime()
    order by issued_at
    limit 50
    for update skip locked
  ));

  delete from auth.sessions
  where ctid = any (array(
    select session.ctid
    from auth.sessions as session
    where session.refreshed_at < now() - auth.session_lifetime()
      -- The cascade would delete an unbounded number of them.
      and not exists (select from auth.refresh_tokens as token where token.session_id = session.id)
    order by session.refreshed_at
    limit 50
    for update of session skip locked
  ));
end
$$;
comment on function auth.prune() is 'Deletes some throttles, refresh tokens and sessions that are over.';

revoke all on function auth.prune() from public;
