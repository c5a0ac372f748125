-- api_keys: what a program sends to say what it is. Needs no users.

do $migration$
begin
  if not postern.begin_migration('postern', 2, 'api_keys') then
    return;
  end if;

  -- Postern 0.1.0 kept the keys in schema auth and showed them by a view of this name.
  if exists (select from pg_class where oid = to_regclass('postern.api_keys') and relkind = 'v') then
    drop view postern.api_keys;
    alter table auth.api_keys set schema postern;
    -- It was named for a role `anon`, which a database need not have.
    alter table postern.api_keys drop constraint publishable_is_anonymous, alter column role drop not null;
    update postern.api_keys set role = null where kind = 'publishable';
  else
    create table postern.api_keys (
      id         bigint generated always as identity primary key,
      name       text not null constraint name_has_1_to_100_characters check (length(name) between 1 and 100),
      key_hash   bytea not null constraint key_hash_is_unique unique,
      hint       text not null,
      kind       text not null constraint kind_is_publishable_or_secret check (kind in ('publishable', 'secret')),
      role       name,
      created_at timestamptz not null default now(),
      revoked_at timestamptz
    );
  end if;
  -- A publishable key is in every browser. The gateway gives its caller the role of one without credentials.
  alter table postern.api_keys add constraint secret_has_a_role_publishable_has_none check ((kind = 'secret') = (role is not null));
  -- The table is granted to no role: the operator reads it, and the gateway asks postern.find_api_key.
  comment on table postern.api_keys is
  'API keys of programs: a publishable one stands for no caller, a secret one for a role. Each is stored as its SHA-256 only.';
end
$migration$;
