-- The program `accounts`: users and sessions, for those who have no issuer of their own. It needs the program `postern`, and runs like it.

\ir ../begin.sql
select postern.begin_program('accounts', '0.2.0', newest => 0);
