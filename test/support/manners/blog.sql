-- A blog with drafts, published by the clock.

create table api.m_posts (id integer primary key, author uuid not null, title text not null, published_at timestamptz);
create view api.m_recent with (security_invoker) as select id, title from api.m_posts where published_at > now() - interval '1 year';
create function api.m_is_public(at timestamptz) returns boolean language sql stable as $$ select at is not null and at <= now() $$;

alter table api.m_posts enable row level security;
create policy published on api.m_posts for select using (api.m_is_public(published_at) or author = (select auth.uid()));

insert into api.m_posts select n, ('00000000-0000-4000-8000-00000000000' || chr(97 + n % 2))::uuid, 'post ' || n,
  case n % 3 when 0 then null when 1 then now() - n * interval '1 day' else now() + n * interval '1 day' end from generate_series(1, 12) as n;
