-- users: who has an account. No caller reads this table.
--
-- A database of Postern 0.1.0 has the tables of this program from other migrations. They are kept as they are, with their rows.

do $migration$
begin
  if not postern.begin_migration('accounts', 1, 'users') then
    return;
  end if;

  -- Supabase keeps its own users in a table of this name.
  if to_regclass('auth.users') is not null and not exists (
    select from pg_constraint where conrelid = to_regclass('auth.users') and conname = 'password_hash_is_bcrypt'
  ) then
    raise exception 'auth.users is a table of another program'
      using hint = 'Postern accepts the tokens of that program and needs no accounts of its own: leave this out.';
  end if;

  -- "if not exists" would need the right to create schemas even where the schema exists.
  if to_regnamespace('auth') is null then
    create schema auth;
    comment on schema auth is 'Private: who the callers are. Never exposed.';
  end if;
  if to_regnamespace('extensions') is null then
    create schema extensions;
    comment on schema extensions is 'Private: what extensions bring. Never exposed.';
  end if;

  -- bcrypt for passwords, random bytes for tokens
  if not exists (select from pg_extension where extname = 'pgcrypto') then
    create extension pgcrypto with schema extensions;
    revoke execute on all functions in schema extensions from public;
  elsif to_regprocedure('extensions.crypt(text,text)') is null then
    raise exception 'the extension pgcrypto is not in the schema extensions'
      using hint = 'alter extension pgcrypto set schema extensions;';
  end if;

  create table if not exists auth.users (
    id              uuid primary key default gen_random_uuid(),
    email           text not null
      constraint email_is_unique unique
      constraint email_is_normalised check (email = lower(email collate "C") and length(email) between 1 and 300),
    password_hash   text not null
      constraint password_hash_is_bcrypt check (password_hash ~ '^\$2a\$\d\d\$[./A-Za-z0-9]{53}$'),
    fullname        text not null
      constraint fullname_has_1_to_300_characters check (length(fullname) between 1 and 300),
    user_metadata   jsonb not null default '{}'
      constraint user_metadata_is_a_small_object check (jsonb_typeof(user_metadata) = 'object' and octet_length(user_metadata::text) <= 4096),
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    last_sign_in_at timestamptz
  );
  comment on table auth.users is 'An account. Its password is stored as a bcrypt hash only.';

  -- Callers may execute auth.user_id(), which policies ask, and nothing else in auth.
  grant usage on schema auth to anon, authenticated;
end
$migration$;
