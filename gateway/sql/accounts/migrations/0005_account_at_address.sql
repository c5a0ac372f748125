-- account_at_address: guesses from one address use up that address's attempts at an account, and only a part of the account's.

do $migration$
begin
  if not postern.begin_migration('accounts', 5, 'account_at_address') or exists (
    select from pg_constraint where conrelid = 'auth.limits'::regclass and conname = 'scope_is_known'
  ) then
    return;
  end if;

  alter table auth.limits
    drop constraint scope_is_account_or_address,
    add constraint scope_is_known check (scope in ('account', 'address', 'account_at_address'));
  -- Where the operator has changed or deleted the account's limit, it stays.
  with raised as (
    update auth.limits
    set attempts = 50
    where action = 'sign_in' and scope = 'account' and attempts = 10 and per = '15 minutes'
    returning action
  )
  insert into auth.limits (action, scope, attempts, per)
  select raised.action, 'account_at_address', 10, '15 minutes' from raised;
end
$migration$;
