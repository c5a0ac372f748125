-- The program `postern`: what the gateway needs in every database. Run it as the owner of the tables that are tracked:
--
--   psql "$DATABASE_URL" --single-transaction --set=ON_ERROR_STOP=1 --file=gateway/sql/postern.sql
--
-- `postern migrate` runs the same files, and `postern sql` prints them as one. Every file runs as often as you like: a
-- migration does nothing where it was applied, code replaces what is there. Between the \ir lines stands plain SQL only.

\ir begin.sql
select postern.begin_program('postern', '0.2.0', newest => 0);
