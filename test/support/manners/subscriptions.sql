-- Subscriptions: what a user may read follows from a plan that ends by the clock. One helper is PL/pgSQL.

create type api.m_status as enum ('trialing', 'active', 'past_due', 'canceled');
create table api.m_plans (id integer primary key, name text not null, cents integer not null, is_offered boolean not null);
create table api.m_subscriptions (
  id integer primary key,
  user_id uuid not null,
  plan_id integer not null references api.m_plans,
  status api.m_status not null,
  ends_at timestamptz
);
create table api.m_invoices (id integer primary key, subscription_id integer not null references api.m_subscriptions, cents integer not null, paid_on date);
create table api.m_articles (id integer primary key, tier integer not null, title text not null);
create function api.m_tier() returns integer language plpgsql stable security definer set search_path = '' as $$
declare
  highest integer;
begin
  select max(s.plan_id) into highest
    from api.m_subscriptions s
    where s.user_id = auth.uid() and s.status in ('trialing', 'active') and (s.ends_at is null or s.ends_at > now());
  return coalesce(highest, 0);
end
$$;

alter table api.m_plans enable row level security;
alter table api.m_subscriptions enable row level security;
alter table api.m_invoices enable row level security;
alter table api.m_articles enable row level security;
create policy offered on api.m_plans for select using (is_offered or id in (select plan_id from api.m_subscriptions));
create policy mine on api.m_subscriptions for select using (user_id = (select auth.uid()));
create policy mine on api.m_invoices for select to authenticated using (subscription_id in (select id from api.m_subscriptions));
create policy unlocked on api.m_articles for select using (tier <= (select api.m_tier()));

insert into api.m_plans values (1, 'small', 500, true), (2, 'large', 2000, true), (3, 'old', 900, false);
insert into api.m_subscriptions values
  (1, '00000000-0000-4000-8000-00000000000a', 1, 'active', null),
  (2, '00000000-0000-4000-8000-00000000000a', 3, 'canceled', now() - interval '1 day'),
  (3, '00000000-0000-4000-8000-00000000000b', 2, 'trialing', now() + interval '1 day');
insert into api.m_invoices select n, 1 + n % 3, 100 * n, case when n % 2 = 0 then date '2026-01-01' + n end from generate_series(1, 12) as n;
insert into api.m_articles select n, n % 4, 'article ' || n from generate_series(1, 16) as n;
