-- throttles: how often a caller may try. Attempts are counted for the account that is meant and for the caller's address.

do $migration$
declare
  is_new constant boolean := to_regclass('auth.limits') is null;
begin
  if not postern.begin_migration('accounts', 2, 'throttles') then
    return;
  end if;

  create table if not exists auth.limits (
    action   text not null,
    scope    text not null constraint scope_is_account_or_address check (scope in ('account', 'address')),
    attempts integer not null constraint attempts_is_positive check (attempts between 1 and 1000000),
    per      interval not null constraint per_is_positive check (per > '0'),
    primary key (action, scope)
  );
  comment on table auth.limits is 'How many attempts there may be in a time. The operator may change it; without a row there is no limit.';

  -- The operator of an older database may have deleted some.
  if is_new then
    insert into auth.limits (action, scope, attempts, per)
    values
      -- wrong passwords; the right one forgives those of its account
      ('sign_in',         'account',   10, '15 minutes'),
      ('sign_in',         'address',  100, '15 minutes'),
      -- all attempts
      ('sign_up',         'account',   10, '1 hour'),
      ('sign_up',         'address',   60, '1 hour'),
      ('refresh',         'account',  120, '10 minutes'),
      ('refresh',         'address', 3000, '10 minutes'),
      ('change_password', 'account',   10, '1 hour');
  end if;

  create table if not exists auth.throttles (
    action   text not null,
    scope    text not null,
    subject  text not null,
    attempts integer not null,
    until    timestamptz not null,
    primary key (action, scope, subject)
  );
  comment on table auth.throttles is 'The attempts of one account or address in a time that ends at until.';
  create index if not exists throttles_until on auth.throttles (until);
end
$migration$;
