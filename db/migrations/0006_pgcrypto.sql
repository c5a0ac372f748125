-- pgcrypto: bcrypt for passwords, random bytes for tokens and keys. Its functions are for the functions of auth and postern only.

-- migrate:up

create schema extensions;
comment on schema extensions is 'Private: what extensions bring. Never exposed.';

create extension pgcrypto with schema extensions;

-- No role of a caller is granted the schema, and PUBLIC may execute nothing in it: the default privileges of 0001 cover
-- what an extension makes, too.

-- migrate:down
drop extension pgcrypto;
drop schema extensions;
