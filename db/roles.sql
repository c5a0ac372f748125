-- The five roles. Roles belong to the server, not to a database, so they are not a migration: run this first, as often as you like.
-- The password of authenticator comes from the session setting postern.authenticator_password and is written nowhere.

do $$
declare
  password text := nullif(current_setting('postern.authenticator_password', true), '');
  powerful text;
begin
  -- Granting again what is granted is worth no notice. Ends with the transaction.
  perform set_config('client_min_messages', 'warning', true);

  if password is null then
    raise exception 'the setting postern.authenticator_password is missing'
      using hint = 'psql: PGOPTIONS="-c postern.authenticator_password=..."; elsewhere: select set_config(''postern.authenticator_password'', ''...'', false);';
  end if;

  -- A role that something else made with more power is not quietly taken over.
  select string_agg(rolname, ', ' order by rolname)
  into powerful
  from pg_catalog.pg_roles
  where rolname in ('authenticator', 'anon', 'authenticated', 'service', 'postern')
    and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls);
  if powerful is not null then
    raise exception 'these roles exist with more power than Postern gives them: %', powerful
      using hint = 'They must not be superuser, createrole, createdb, replication or bypassrls.';
  end if;

  -- PostgREST logs in as this role. By itself it may do nothing; it switches to one of the four below.
  if to_regrole('authenticator') is null then
    create role authenticator;
  end if;
  alter role authenticator login noinherit;
  execute format('alter role authenticator password %L', password);
  -- Passwords and tokens of users pass through it as parameters, which the server must not log.
  alter role authenticator set log_parameter_max_length = 0;
  alter role authenticator set log_parameter_max_length_on_error = 0;

  -- an anonymous caller
  if to_regrole('anon') is null then
    create role anon;
  end if;
  alter role anon nologin noinherit;

  -- a caller with a token
  if to_regrole('authenticated') is null then
    create role authenticated;
  end if;
  alter role authenticated nologin noinherit;

  -- a trusted program, by secret API key
  if to_regrole('service') is null then
    create role service;
  end if;
  alter role service nologin noinherit;

  -- the gateway itself, when it asks about users, keys and changes
  if to_regrole('postern') is null then
    create role postern;
  end if;
  alter role postern nologin noinherit;

  grant anon, authenticated, service, postern to authenticator;
end
$$;
