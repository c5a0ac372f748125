-- sessions: each begins with a sign-in and goes on by refresh tokens, each of which is used once.

-- migrate:up

create table auth.sessions (
  id           uuid primary key default gen_random_uuid(),
  user_id      uuid not null references auth.users on delete cascade,
  created_at   timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  ended_at     timestamptz,
  end_reason   text
    constraint end_reason_is_known check (end_reason in ('signed_out', 'token_reused', 'password_changed')),
  constraint ended_for_a_reason check ((ended_at is null) = (end_reason is null))
);
comment on table auth.sessions is 'A user signed in somewhere.';
create index sessions_user_id on auth.sessions (user_id);
create index sessions_refreshed_at on auth.sessions (refreshed_at);

create table auth.refresh_tokens (
  token_hash     bytea primary key,
  session_id     uuid not null references auth.sessions on delete cascade,
  issued_at      timestamptz not null default now(),
  used_at        timestamptz,
  -- The token that was given for this one last. No foreign key: it says nothing once that is pruned.
  successor_hash bytea
);
comment on table auth.refresh_tokens is 'The hash of a refresh token. Of each session at most one is unused.';
create index refresh_tokens_issued_at on auth.refresh_tokens (issued_at);
create unique index refresh_tokens_one_unused on auth.refresh_tokens (session_id) where used_at is null;
create index refresh_tokens_session_id on auth.refresh_tokens (session_id);

create function auth.session_lifetime()
returns interval
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select '30 days'::interval
$$;
comment on function auth.session_lifetime() is 'How long a session lives without a refresh, and how long what is over is kept.';

create function auth.has_session(user_id uuid, session_id uuid)
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
comment on function auth.has_session(uuid, uuid) is 'Whether the session is alive and the user''s.';

-- 32 random bytes in base64url
create function auth.new_secret()
returns text
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  select translate(encode(extensions.gen_random_bytes(32), 'base64'), '+/=', '-_')
$$;
comment on function auth.new_secret() is 'Random, of 43 characters.';

create function auth.issue_refresh_token(session_id uuid, predecessor bytea default null)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  token text := auth.new_secret();
begin
  insert into auth.refresh_tokens (token_hash, session_id)
  values (auth.sha256(token), issue_refresh_token.session_id);
  update auth.refresh_tokens as used
  set successor_hash = auth.sha256(token)
  where used.token_hash = predecessor;
  return token;
end
$$;
comment on function auth.issue_refresh_token(uuid, bytea) is 'A new refresh token: the only time that it is seen in clear.';

create function auth.begin_session(account auth.users)
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
comment on function auth.begin_session(auth.users) is 'The answer to whoever has signed in.';

create function auth.session_json(account auth.users, session_id uuid, refresh_token text)
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
comment on function auth.session_json(auth.users, uuid, text) is 'A user and a session as the gateway gets to see them.';

create function auth.end_sessions(session_ids uuid[], reason text)
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
    -- Two who end the same sessions wait for each other in one order.
    order by locked.id
    for update
  ) as chosen
  where session.id = chosen.id and session.ended_at is null
$$;
comment on function auth.end_sessions(uuid[], text) is 'Ends those of the sessions that have not ended yet.';

-- A used token stays as long as a token is good for: whoever still holds a stolen one must be found out.
create function auth.prune()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- A bounded number of rows each time, and never waiting for anybody.
  delete from auth.throttles as throttle
  using (
    select action, scope, subject
    from auth.throttles
    where until < now()
    order by until
    limit 50
    for update skip locked
  ) as old
  where (throttle.action, throttle.scope, throttle.subject) = (old.action, old.scope, old.subject);

  delete from auth.refresh_tokens
  where token_hash in (
    select token_hash
    from auth.refresh_tokens
    where issued_at < now() - auth.session_lifetime()
    order by issued_at
    limit 50
    for update skip locked
  );

  delete from auth.sessions
  where id in (
    select session.id
    from auth.sessions as session
    where session.refreshed_at < now() - auth.session_lifetime()
      -- Else their number would not be bounded.
      and not exists (select from auth.refresh_tokens as token where token.session_id = session.id)
    order by session.refreshed_at
    limit 50
    for update of session skip locked
  );
end
$$;
comment on function auth.prune() is 'Deletes some of what is over: throttles, refresh tokens, sessions.';

-- migrate:down
drop function auth.prune();
drop function auth.end_sessions(uuid[], text);
drop function auth.begin_session(auth.users);
drop function auth.session_json(auth.users, uuid, text);
drop function auth.issue_refresh_token(uuid, bytea);
drop function auth.new_secret();
drop function auth.has_session(uuid, uuid);
drop function auth.session_lifetime();
drop table auth.refresh_tokens;
drop table auth.sessions;
