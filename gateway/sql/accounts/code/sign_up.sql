-- sign_up: makes a user and begins a session

create or replace function postern.sign_up(email text, password text, fullname text, user_metadata jsonb, bcrypt_cost integer, address text)
returns jsonb
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  network text := auth.address_subject(address);
  hash text;
  wait integer;
  made auth.users;
begin
  if not auth.is_email(email) then
    return auth.refusal('invalid_email');
  elsif not auth.is_password(password) then
    return auth.refusal('invalid_password');
  elsif fullname is null or length(fullname) not between 1 and 300 then
    return auth.refusal('invalid_fullname');
  elsif jsonb_typeof(user_metadata) <> 'object' or octet_length(user_metadata::text) > 4096 then
    return auth.refusal('invalid_user_metadata');
  end if;

  wait := coalesce(
    auth.seconds_to_wait('sign_up', 'address', network),
    auth.count_attempt('sign_up', 'account', auth.account_subject(email)),
    auth.count_attempt('sign_up', 'address', network)
  );
  if wait is not null then
    return auth.refusal('throttled', wait);
  end if;

  hash := auth.hash_password(password, bcrypt_cost);
  insert into auth.users (email, password_hash, fullname, user_metadata, last_sign_in_at)
  values (auth.normalise_email(sign_up.email), hash, sign_up.fullname, coalesce(sign_up.user_metadata, '{}'), now())
  on conflict on constraint email_is_unique do nothing
  returning * into made;
  perform auth.prune();
  if made.id is null then
    return auth.refusal('email_taken');
  end if;
  return auth.begin_session(made);
end
$$;
comment on function postern.sign_up(text, text, text, jsonb, integer, text) is 'Makes a user and signs it in.';

revoke all on function postern.sign_up(text, text, text, jsonb, integer, text) from public;
grant execute on function postern.sign_up(text, text, text, jsonb, integer, text) to postern;
