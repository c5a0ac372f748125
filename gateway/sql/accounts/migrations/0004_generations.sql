-- generations: a database whose refresh tokens know their successors gets generations instead.

do $migration$
begin
  if not postern.begin_migration('accounts', 4, 'generations', is_breaking => true) or not exists (
    select from pg_attribute where attrelid = 'auth.refresh_tokens'::regclass and attname = 'used_at' and not attisdropped
  ) then
    return;
  end if;

  alter table auth.sessions add column generation integer not null default 0;
  alter table auth.refresh_tokens add column generation integer;
  update auth.refresh_tokens as token
  set generation = case
    when token.used_at is null then 0
    when exists (
      select
      from auth.refresh_tokens as successor
      where successor.token_hash = token.successor_hash and successor.used_at is null
    ) then -1
    else -2
  end;
  -- The index of the unused tokens goes with the column.
  alter table auth.refresh_tokens
    alter column generation set not null,
    drop column used_at,
    drop column successor_hash;
  comment on table auth.refresh_tokens is
  'The hash of a refresh token. Those of one generation were given in exchange for tokens of the generation before it.';
  drop function if exists auth.issue_refresh_token(uuid, bytea);
end
$migration$;
