-- tracked: the tables of api log their changes, so that answers from them may be cached

-- migrate:up

select postern.track_schema('api');

-- Policies ask it, and its body is text, which nobody looks into: of all it could read, it reads the claim sub.
select postern.declare_cacheable('auth.user_id()', claims => '{sub}');

-- migrate:down
select postern.undeclare_cacheable('auth.user_id()');
select postern.untrack_schema('api');
