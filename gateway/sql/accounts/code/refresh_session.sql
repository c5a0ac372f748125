-- refresh_session: exchanges a refresh token for one of the next generation, and recognises a stolen one

create or replace function postern.refresh_session(refresh_token text, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  hash bytea := auth.sha256(coalesce(refresh_token, ''));
  wait integer;
  account auth.users;
  session record;
begin
  select found.* into account
  from auth.refresh_tokens as token
  join auth.sessions as owner on owner.id = token.session_id
  join auth.users as found on found.id = owner.user_id
  where token.token_hash = hash;

  wait := coalesce(
    auth.count_attempt('refresh', 'address', auth.address_subject(address)),
    auth.count_attempt('refresh', 'account', account.id::text)
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  -- Concurrent refreshes of one session wait here for each other, and then see its newest generation.
  select owner.id, owner.generation as newest, token.generation as presented into session
  from auth.refresh_tokens as token
  join auth.sessions as owner on owner.id = token.session_id
  where token.token_hash = hash
  for update of owner;

  if session.id is null then
    perform auth.prune();
    return auth.refusal('refresh_token_unknown');
  elsif not auth.has_session(account.id, session.id) then
    return auth.refusal('session_ended');
  elsif session.presented < session.newest - 1 then
    -- The client that used a token of the newer generation has its answer. Which of the two is the thief is unknown.
    perform auth.end_sessions(array[session.id], 'token_reused');
    return auth.refusal('refresh_token_reused');
  end if;

  update auth.sessions as owner
  set refreshed_at = now(),
      -- The tokens of the newest generation are exchanged for the next one. Those of the one before it, which concurrent clients
      -- and a client that lost its answer present, get another token of the newest.
      generation = greatest(owner.generation, session.presented + 1)
  where owner.id = session.id;
  perform auth.prune();
  return auth.session_json(account, session.id, auth.issue_refresh_token(session.id, session.presented + 1));
end
$$;
comment on function postern.refresh_session(text, text) is 'Exchanges a refresh token for the next one.';

revoke all on function postern.refresh_session(text, text) from public;
grant execute on function postern.refresh_session(text, text) to postern;
