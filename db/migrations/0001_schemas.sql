-- migrate:up

-- Without this, PUBLIC may execute every new function. With "in schema" it would have no effect.
-- It covers objects of the role that runs it only: one role owns all migrations.
alter default privileges revoke execute on functions from public;

-- Nothing lives in public but dbmate's own table.
revoke all on schema public from public;

create schema api;
-- PostgREST's OpenAPI description shows this: the first line is its title.
comment on schema api is
'Inventory and rescues
Everything in this schema is exposed by PostgREST: tables with row level security, security-invoker views, functions.';

create schema auth;
comment on schema auth is 'Private: who the callers are. Never exposed.';

create schema if not exists postern;
comment on schema postern is 'Private: what the gateway itself needs. Never exposed to callers.';

-- auth and postern are not granted to anybody.
grant usage on schema api to anon, authenticated;

-- migrate:down
drop schema postern;
drop schema auth;
drop schema api;
grant usage on schema public to public;
alter default privileges grant execute on functions to public;
