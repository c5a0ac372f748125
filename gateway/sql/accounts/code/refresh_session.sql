-- refresh_session: exchanges a refresh token, and recognises a stolen one

create or replace function postern.refresh_session(refresh_token text, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  hash bytea := auth.sha256(coalesce(refresh_token, ''));
  wait integer;
  account auth.users;
  session auth.sessions;
  presented auth.refresh_tokens;
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

  -- Concurrent refreshes of one session wait here for each other, and then see the tokens that were used.
  select owner.* into session
  from auth.refresh_tokens as token
  join auth.sessions as owner on owner.id = token.session_id
  where token.token_hash = hash
  for update of owner;
  select * into presented
  from auth.refresh_tokens as token
  where token.token_hash = hash;

  if presented.token_hash is null then
    perform auth.prune();
    return auth.refusal('refresh_token_unknown');
  elsif not auth.has_session(account.id, session.id) then
    return auth.refusal('session_ended');
  elsif presented.used_at is not null then
    -- A client that lost the answer may ask again for 10 s, as long as the lost token is unused. This uses that token up.
    update auth.refresh_tokens as successor
    set used_at = now()
    where successor.token_hash = presented.successor_hash
      and successor.used_at is null
      and presented.used_at > now() - interval '10 seconds';
    if not found then
      -- Two clients have this token, and it is unknown which of them is the thief.
      perform auth.end_sessions(array[session.id], 'token_reused');
      return auth.refusal('refresh_token_reused');
    end if;
  end if;

  update auth.refresh_tokens as token
  set used_at = coalesce(token.used_at, now())
  where token.token_hash = hash;
  update auth.sessions as owner
  set refreshed_at = now()
  where owner.id = session.id;
  perform auth.prune();
  return auth.session_json(account, session.id, auth.issue_refresh_token(session.id, hash));
end
$$;
comment on function postern.refresh_session(text, text) is 'Exchanges a refresh token for the next one.';

revoke all on function postern.refresh_session(text, text) from public;
grant execute on function postern.refresh_session(text, text) to postern;
