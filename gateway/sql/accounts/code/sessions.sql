-- sessions: begun, answered, ended

create or replace function auth.session_lifetime()
returns interval
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select '30 days'::interval
$$;
comment on function auth.session_lifetime() is 'How long a session lives without a refresh, and how long an ended one is kept.';

create or replace function auth.has_session(user_id uuid, session_id uuid)
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (
    select
    from auth.sessions as session
    where session.id = has_session.session_id
      and session.user_id = has_session.user_id
      and session.ended_at is null
      and session.refreshed_at > now() - auth.session_lifetime()
  )
$$;
comment on function auth.has_session(uuid, uuid) is 'Whether the session is the user''s and has not ended.';

-- 32 random bytes in base64url, without padding
create or replace function auth.new_secret()
returns text
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select translate(encode(extensions.gen_random_bytes(32), 'base64'), '+/=', '-_')
$$;
comment on function auth.new_secret() is 'A random text of 43 characters.';

create or replace function auth.issue_refresh_token(session_id uuid, generation integer default 0)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  token text := auth.new_secret();
begin
  insert into auth.refresh_tokens (token_hash, session_id, generation)
  values (auth.sha256(token), issue_refresh_token.session_id, issue_refresh_token.generation);
  return token;
end
$$;
comment on function auth.issue_refresh_token(uuid, integer) is 'Makes a refresh token and returns it, the only time that it is seen in clear.';

create or replace function auth.session_json(account auth.users, session_id uuid, refresh_token text)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select jsonb_build_object(
    'outcome', 'ok',
    'user', auth.user_json(account),
    'session', jsonb_build_object('id', session_id, 'refresh_token', refresh_token)
  )
$$;
comment on function auth.session_json(auth.users, uuid, text) is 'A user and a session as the gateway sees them.';

create or replace function auth.begin_session(account auth.users)
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  session_id uuid;
begin
  insert into auth.sessions (user_id) values (account.id) returning id into session_id;
  return auth.session_json(account, session_id, auth.issue_refresh_token(session_id));
end
$$;
comment on function auth.begin_session(auth.users) is 'Begins a session of the user: the answer to a sign-up or sign-in.';

create or replace function auth.end_sessions(session_ids uuid[], reason text)
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  update auth.sessions as session
  set ended_at = now(), end_reason = reason
  from (
    select locked.id
    from auth.sessions as locked
    where locked.id = any (session_ids)
    -- Concurrent calls lock the sessions in one order, so that they do not deadlock.
    order by locked.id
    for update
  ) as chosen
  where session.id = chosen.id and session.ended_at is null
$$;
comment on function auth.end_sessions(uuid[], text) is 'Ends those of the sessions that have not ended yet.';

revoke all on function
  auth.session_lifetime(),
  auth.has_session(uuid, uuid),
  auth.new_secret(),
  auth.issue_refresh_token(uuid, integer),
  auth.session_json(auth.users, uuid, text),
  auth.begin_session(auth.users),
  auth.end_sessions(uuid[], text)
  from public;
