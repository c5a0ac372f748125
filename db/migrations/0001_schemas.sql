-- Schema api is the example's, and so is private. The programs of gateway/sql made the schemas postern, auth and extensions.

-- migrate:up

-- Without this, PUBLIC may execute every new function. With "in schema" it would have no effect.
-- It covers objects of the role that runs it only: one role owns all migrations.
alter default privileges revoke execute on functions from public;

-- Nothing lives in public but dbmate's own table.
revoke all on schema public from public;

create schema api;
-- PostgREST's OpenAPI description shows this: the first line is its title.
comment on schema api is
'Inventory, rescues, todos and users
Everything in this schema is exposed by PostgREST: tables with row level security, security-invoker views, functions.';

create schema private;
comment on schema private is 'Private: what the tables in api need. Never exposed.';

-- private is granted to no role.
grant usage on schema api to anon, authenticated, service;
-- Policies ask auth.user_id().
grant usage on schema auth to service;
grant execute on function auth.user_id() to service;

-- migrate:down
revoke execute on function auth.user_id() from service;
revoke usage on schema auth from service;
drop schema private;
drop schema api;
grant usage on schema public to public;
alter default privileges grant execute on functions to public;
