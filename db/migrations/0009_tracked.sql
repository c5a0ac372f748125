-- tracked: the tables of api log their changes, so that answers from them may be cached

-- migrate:up

select postern.track_schema('api');

-- migrate:down
select postern.untrack_schema('api');
