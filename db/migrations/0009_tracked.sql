-- tracked: the tables of api log their changes, so that answers from them may be cached

-- migrate:up

select postern.track_schema('api');

-- Policies call this function. Its body is a text, which PostgreSQL does not analyse: it reads the claim sub and nothing else.
select postern.declare_cacheable('auth.user_id()', reads => '{}', claims => '{sub}');

-- migrate:down
select postern.undeclare_cacheable('auth.user_id()');
select postern.untrack_schema('api');
