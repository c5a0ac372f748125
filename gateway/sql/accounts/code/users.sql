-- users: the caller as policies see it, a user as the gateway sees it

-- The sub of another issuer's token need not be a uuid: then the answer is null, not an error.
create or replace function auth.user_id()
returns uuid
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case when claims.sub ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claims.sub::uuid end
  -- After a transaction that set it, the setting is empty and not null.
  from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub') as claims (sub)
$$;
comment on function auth.user_id() is 'The user who makes this request, or null.';

create or replace function auth.user_json(account auth.users)
returns jsonb
language sql stable
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
  select to_jsonb(account) - 'password_hash'
$$;
comment on function auth.user_json(auth.users) is 'A user as the gateway sees it: without the hash of the password.';

-- Only ASCII letters fold, so that the answer does not depend on the locale of the database.
create or replace function auth.normalise_email(email text)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select normalised
  from (select lower(btrim(email, E' \t\r\n') collate "C")) as candidate (normalised)
  where length(normalised) <= 300
    and normalised ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'
$$;
comment on function auth.normalise_email(text) is 'The form in which an e-mail address is stored and compared; null when it cannot be one.';

-- What the gateway accepts, too. Users of another system may be stored with others, and sign in with them.
create or replace function auth.is_email(email text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select coalesce(
    auth.normalise_email(email) collate "C" ~ (
      '^[a-z0-9.!#$%&''*+/=?^_`{|}~-]+'
      '@[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
      '([.][a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$'
    ),
    false
  )
$$;
comment on function auth.is_email(text) is 'Whether a new e-mail address may be this: a valid e-mail address of the HTML standard.';

create or replace function auth.touch_updated_at()
returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function auth.touch_updated_at() is 'Trigger: sets updated_at of a changed user to the time of its transaction.';

create or replace trigger touch_updated_at
  before update on auth.users
  for each row
  -- Signing in is not a change.
  when ((old.email, old.password_hash, old.fullname, old.user_metadata) is distinct from (new.email, new.password_hash, new.fullname, new.user_metadata))
  execute function auth.touch_updated_at();

revoke all on function
  auth.user_id(),
  auth.user_json(auth.users),
  auth.normalise_email(text),
  auth.is_email(text),
  auth.touch_updated_at()
  from public;
grant execute on function auth.user_id() to anon, authenticated;
