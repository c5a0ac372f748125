-- The program `accounts`: users and sessions, for those who have no issuer of their own. It needs the program `postern`, and runs like it.
--
-- The gateway calls the functions in schema postern over PostgREST, as the role postern. Each is security definer: the role
-- postern may read no table of auth, it may only ask these questions. Each answers {"outcome": "ok", ...} or
-- {"outcome": "<why not>"}, and raises nothing that is expected: an error would undo the count of attempts.
-- An attempt is counted for its account and its address before the password is looked at, so that concurrent ones are counted, too.
-- Locks are taken in one order: throttles, users, sessions, refresh tokens. Pruning comes last, and skips what is locked.

\ir ../begin.sql
select postern.begin_program('accounts', '0.2.0', newest => 5);

\ir migrations/0001_users.sql
\ir migrations/0002_throttles.sql
\ir migrations/0003_sessions.sql
\ir migrations/0004_generations.sql
\ir migrations/0005_account_at_address.sql

\ir code/users.sql
\ir code/passwords.sql
\ir code/throttles.sql
\ir code/sessions.sql
\ir code/prune.sql
\ir code/sign_up.sql
\ir code/sign_in.sql
\ir code/refresh_session.sql
\ir code/sign_out.sql
\ir code/get_user.sql
\ir code/update_user.sql
