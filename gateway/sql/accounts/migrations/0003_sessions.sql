-- sessions: each begins with a sign-in and goes on by refresh tokens.

do $migration$
begin
  if not postern.begin_migration('accounts', 3, 'sessions') then
    return;
  end if;

  create table if not exists auth.sessions (
    id           uuid primary key default gen_random_uuid(),
    user_id      uuid not null references auth.users on delete cascade,
    created_at   timestamptz not null default now(),
    refreshed_at timestamptz not null default now(),
    ended_at     timestamptz,
    -- the generation of the newest refresh token
    generation   integer not null default 0,
    end_reason   text
      constraint end_reason_is_known check (end_reason in ('signed_out', 'token_reused', 'password_changed')),
    constraint ended_for_a_reason check ((ended_at is null) = (end_reason is null))
  );
  comment on table auth.sessions is 'A user signed in somewhere.';
  create index if not exists sessions_user_id on auth.sessions (user_id);
  create index if not exists sessions_refreshed_at on auth.sessions (refreshed_at);

  create table if not exists auth.refresh_tokens (
    token_hash bytea primary key,
    session_id uuid not null references auth.sessions on delete cascade,
    generation integer not null,
    issued_at  timestamptz not null default now()
  );
  comment on table auth.refresh_tokens is
  'The hash of a refresh token. Those of one generation were given in exchange for tokens of the generation before it.';
  create index if not exists refresh_tokens_issued_at on auth.refresh_tokens (issued_at);
  create index if not exists refresh_tokens_session_id on auth.refresh_tokens (session_id);
end
$migration$;
