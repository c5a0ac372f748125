-- sign_in: begins a session

-- An unknown e-mail and a wrong password run the same statements and the same bcrypt, and get the same answer.
create or replace function postern.sign_in(email text, password text, bcrypt_cost integer, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  account text := auth.account_subject(email);
  network text := auth.address_subject(address);
  here text := auth.account_at_address_subject(email, address);
  wait integer;
  known auth.users;
  hash text;
begin
  wait := coalesce(
    -- An address that has no attempts left counts nothing for the account, and waits for no one.
    auth.seconds_to_wait('sign_in', 'address', network),
    -- An address that has none left at this account counts nothing for the account at other addresses.
    auth.count_attempt('sign_in', 'account_at_address', here),
    auth.count_attempt('sign_in', 'account', account),
    auth.count_attempt('sign_in', 'address', network)
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  select * into known
  from auth.users as candidate
  where candidate.email = auth.normalise_email(sign_in.email);
  if not auth.verify_password(password, known.password_hash, bcrypt_cost) then
    perform auth.prune();
    return auth.refusal('invalid_credentials');
  end if;

  hash := known.password_hash;
  if hash not like format('$2a$%s$%%', lpad(bcrypt_cost::text, 2, '0')) then
    hash := auth.hash_password(password, bcrypt_cost);
  end if;
  update auth.users as candidate
  set last_sign_in_at = now(), password_hash = hash
  where candidate.id = known.id
    -- A change of the password has ended all sessions: the old password must not begin another.
    and candidate.password_hash = known.password_hash
  returning * into known;
  if not found then
    return auth.refusal('invalid_credentials');
  end if;
  perform auth.forgive('sign_in', 'account_at_address', here);
  perform auth.forgive('sign_in', 'account', account);
  perform auth.uncount_attempt('sign_in', 'address', network);
  perform auth.prune();
  return auth.begin_session(known);
end
$$;
comment on function postern.sign_in(text, text, integer, text) is 'Begins a session of the user with this e-mail and password.';

revoke all on function postern.sign_in(text, text, integer, text) from public;
grant execute on function postern.sign_in(text, text, integer, text) to postern;
