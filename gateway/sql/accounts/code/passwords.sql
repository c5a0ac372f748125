-- passwords: hashed and compared with bcrypt, in a time that tells nothing of the account

create or replace function auth.is_password(password text)
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  -- bcrypt ignores what follows the first 72 bytes.
  select coalesce(length(password) >= 6 and octet_length(password) <= 72, false)
$$;
comment on function auth.is_password(text) is 'Whether a new password may be this.';

create or replace function auth.hash_password(password text, bcrypt_cost integer)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Each step doubles the work: a wrong setting must not occupy the database for hours.
  if bcrypt_cost is null or bcrypt_cost not between 4 and 16 then
    raise sqlstate '22023' using message = 'the bcrypt cost is not between 4 and 16';
  end if;
  return extensions.crypt(password, extensions.gen_salt('bf', bcrypt_cost));
end
$$;
comment on function auth.hash_password(text, integer) is 'A new bcrypt hash.';

-- An account that does not exist, or whose hash has a lower cost, takes as long as one whose hash has the cost that is asked for.
create or replace function auth.verify_password(password text, password_hash text, bcrypt_cost integer)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  -- "$2a$", cost, "$", 22 characters of salt
  salt text := '$2a$%s$postern.has.no.account';
  compared text := coalesce(password_hash, format(salt, lpad(bcrypt_cost::text, 2, '0')));
  matches boolean;
begin
  if bcrypt_cost is null or bcrypt_cost not between 4 and 16 then
    raise sqlstate '22023' using message = 'the bcrypt cost is not between 4 and 16';
  end if;
  -- Not in a WHERE clause: to estimate, the planner may evaluate an immutable function there a second time.
  matches := extensions.crypt(coalesce(password, ''), compared) = password_hash;
  -- bcrypt ignores what follows the first 72 bytes.
  matches := coalesce(matches and octet_length(password) <= 72, false);
  if not matches then
    -- 2^10 + 2^10 + 2^11 is the work of 2^12.
    for cost in substr(compared, 5, 2)::integer .. bcrypt_cost - 1 loop
      perform extensions.crypt(coalesce(password, ''), format(salt, lpad(cost::text, 2, '0')));
    end loop;
  end if;
  return matches;
end
$$;
comment on function auth.verify_password(text, text, integer) is 'Whether the hash is that of the password. Without a hash: false.';

revoke all on function
  auth.is_password(text),
  auth.hash_password(text, integer),
  auth.verify_password(text, text, integer)
  from public;
