-- The roles that the gateway needs, for a database that has none of its own yet (`postern dev`). Run it as often as you like.
-- The password of authenticator comes from the session setting postern.authenticator_password and is written nowhere.

do $$
declare
  password text := nullif(current_setting('postern.authenticator_password', true), '');
  role_name text;
begin
  if password is null then
    raise exception 'the setting postern.authenticator_password is missing';
  end if;

  -- PostgREST logs in as authenticator, and switches to one of the others for each request.
  foreach role_name in array array['authenticator', 'anon', 'authenticated', 'postern']
  loop
    if to_regrole(role_name) is null then
      execute format('create role %I noinherit', role_name);
    end if;
  end loop;
  execute format('alter role authenticator login password %L', password);
  -- Tokens pass through it as parameters: the server logs none of them.
  alter role authenticator set log_parameter_max_length = 0;
  alter role authenticator set log_parameter_max_length_on_error = 0;

  -- The notice about a membership that exists already says nothing.
  perform set_config('client_min_messages', 'warning', true);
  grant anon, authenticated, postern to authenticator;
end
$$;
