// Dependencies of answers that no policy, view or request shows, because PostgreSQL and PostgREST add them.
// And visible dependencies that no stored answer can have.
import { SUB } from "./archive.ts";
import { BESIDES_CLAIMS, UNCACHEABLE } from "./conditions.ts";
import { call, get, post, type Read } from "./reads.ts";

interface Hidden {
	readonly subject: string;
	/** SQL that makes the objects that are read. */
	readonly make: string;
	readonly reads: readonly Read[];
}

const EVERYBODY = "anon, authenticated, service";
const TENANT = "current_setting('request.headers', true)::json ->> 'x-tenant'";

const byTenant = (path: string) =>
	["a", "b"].map((tenant) => get(path, { "x-tenant": tenant }));

export const HIDDEN: readonly Hidden[] = [
	{
		subject: "an argument by default",
		make: `
			create function api.isolation_letters_of(who text default ${SUB}) returns setof api.isolation_letters
			language sql stable security definer set search_path = ''
			begin atomic
				select letter.* from api.isolation_letters as letter where letter.owner = who;
			end;
			grant execute on function api.isolation_letters_of(text) to ${EVERYBODY};
		`,
		reads: ["", "?who=ada", "?who=grace", "?who=", "?select=id"].map((query) =>
			call(`letters_of${query}`),
		),
	},
	{
		subject:
			"an argument by default, of a function that a policy or a view calls",
		make: `
			create table api.isolation_drafts (id integer primary key, owner text not null);
			insert into api.isolation_drafts values (1, 'ada'), (2, 'grace');
			select postern.track('api.isolation_drafts');
			create function api.isolation_is_own(owner text, who text default ${SUB}) returns boolean
			language sql stable set search_path = ''
			return owner = who;
			alter table api.isolation_drafts enable row level security;
			create policy own on api.isolation_drafts using (api.isolation_is_own(owner));
			create view api.isolation_own_boxes as
				select box.id, api.isolation_is_own('ada') as is_adas from api.isolation_boxes as box;
			create function api.isolation_found_drafts() returns setof api.isolation_drafts
			language sql stable security definer set search_path = ''
			begin atomic
				select draft.* from api.isolation_drafts as draft where api.isolation_is_own(draft.owner);
			end;
			grant select on api.isolation_drafts, api.isolation_own_boxes to ${EVERYBODY};
			grant execute on function api.isolation_is_own(text, text), api.isolation_found_drafts() to ${EVERYBODY};
		`,
		reads: [
			...[get("drafts"), get("own_boxes")],
			...[call("found_drafts"), post("found_drafts")],
		],
	},
	{
		subject: "an argument by default, of a function that is read as a column",
		make: `
			create function api.isolation_reader(box api.isolation_boxes, who text default ${SUB}) returns text
			language sql stable set search_path = ''
			return who;
			grant execute on function api.isolation_reader(api.isolation_boxes, text) to ${EVERYBODY};
		`,
		reads: [get("boxes?select=id,isolation_reader")],
	},
	{
		subject: "policies for another role, whose view it is",
		make: `
			create table api.isolation_reports (id integer primary key, owner text not null);
			insert into api.isolation_reports values (1, 'ada'), (2, 'grace');
			select postern.track('api.isolation_reports');
			alter table api.isolation_reports enable row level security;
			create policy own on api.isolation_reports to service using (owner = ${SUB});
			grant select on api.isolation_reports to service;
			create view api.isolation_reported as select * from api.isolation_reports;
			alter view api.isolation_reported owner to service;
			grant select on api.isolation_reported to ${EVERYBODY};
		`,
		reads: [get("reported")],
	},
	{
		subject: "a function that is declared",
		make: `
			create table api.isolation_secrets (id integer primary key, owner text not null);
			insert into api.isolation_secrets values (1, 'ada'), (2, 'grace');
			select postern.track('api.isolation_secrets');
			create function api.isolation_may_see(owner text) returns boolean language sql stable set search_path = ''
			as $body$ select owner = ${SUB} $body$;
			select postern.declare_cacheable('api.isolation_may_see(text)', reads => '{}', claims => '{sub}');
			alter table api.isolation_secrets enable row level security;
			create policy own on api.isolation_secrets using (api.isolation_may_see(owner));
			grant select on api.isolation_secrets to ${EVERYBODY};
			grant execute on function api.isolation_may_see(text) to ${EVERYBODY};
		`,
		reads: [get("secrets"), get("secrets?id=eq.1")],
	},
	{
		subject: "a setting next to a claim that is named twice",
		make: `
			create view api.isolation_headed as
				select ${SUB} as reader, count(*) filter (where ${TENANT} = 'a') as boxes from api.isolation_boxes group by ${SUB};
			create view api.isolation_tenants as
				select ${SUB} as reader, count(*) filter (where current_setting('request.jwt.claims')::jsonb ? 'tenant') as boxes
				from api.isolation_boxes
				group by ${SUB};
			grant select on api.isolation_headed, api.isolation_tenants to ${EVERYBODY};
		`,
		reads: [...byTenant("headed"), get("tenants")],
	},
	{
		subject: "a setting next to a name that looks like a claim's reader",
		make: `
			create view api.isolation_named as
				select 1 as "current_setting('role'::text)", ${TENANT} as tenant from api.isolation_boxes;
			grant select on api.isolation_named to ${EVERYBODY};
		`,
		reads: byTenant("named"),
	},
	{
		subject: "a cast to JSON",
		make: `
			create type api.isolation_mood as enum ('calm', 'cross');
			create function api.isolation_mood_json(mood api.isolation_mood) returns json
			language sql stable set search_path = ''
			return to_json(mood::text || coalesce(' ' || (${SUB}), ''));
			create cast (api.isolation_mood as json) with function api.isolation_mood_json(api.isolation_mood);
			create table api.isolation_moods (id integer primary key, mood api.isolation_mood not null);
			insert into api.isolation_moods values (1, 'calm');
			select postern.track('api.isolation_moods');
			grant select on api.isolation_moods to ${EVERYBODY};
			grant execute on function api.isolation_mood_json(api.isolation_mood) to ${EVERYBODY};
		`,
		reads: [get("moods"), get("moods?select=id,mood")],
	},
	{
		subject: "a media type that the database makes",
		make: `
			create domain api."application/x-isolation" as text;
			create function api.isolation_label(label api."application/x-isolation", box api.isolation_boxes)
			returns api."application/x-isolation"
			language sql stable set search_path = ''
			return concat(label, box.name, ${SUB});
			create aggregate api.isolation_labels (api.isolation_boxes) (
				sfunc = api.isolation_label, stype = api."application/x-isolation"
			);
			grant execute on function
				api.isolation_label(api."application/x-isolation", api.isolation_boxes), api.isolation_labels(api.isolation_boxes)
			to ${EVERYBODY};
		`,
		reads: [
			"application/x-isolation",
			"APPLICATION/X-ISOLATION",
			"application/x-isolation, application/json",
			"application/*",
		].map((accept) => get("boxes", { accept })),
	},
	{
		subject: "a claim inside what a function makes of all claims",
		make: `
			create function api.isolation_profile(claims jsonb) returns jsonb language sql immutable set search_path = ''
			return jsonb_build_object('owner', claims ->> 'sub');
			create table api.isolation_papers (id integer primary key, owner text not null);
			insert into api.isolation_papers values (1, 'ada'), (2, 'grace');
			select postern.track('api.isolation_papers');
			alter table api.isolation_papers enable row level security;
			create policy own on api.isolation_papers
			using (owner = api.isolation_profile(current_setting('request.jwt.claims', true)::jsonb) ->> 'owner');
			grant select on api.isolation_papers to ${EVERYBODY};
			grant execute on function api.isolation_profile(jsonb) to ${EVERYBODY};
		`,
		reads: [get("papers"), get("papers?id=eq.1")],
	},
	{
		subject: "a claim between two quotes, next to one that is named twice",
		make: `
			create view api.isolation_quoting as
				select '"' || (${SUB}) || '"' as reader, current_setting('request.jwt.claims', true)::json ->> 'tenant' as tenant, count(*)
				from api.isolation_boxes group by current_setting('request.jwt.claims', true)::json ->> 'tenant';
			grant select on api.isolation_quoting to ${EVERYBODY};
		`,
		reads: [get("quoting")],
	},
];

/** A table, a view and a function for each dependency besides claims. */
export const BESIDES: readonly Hidden[] = Object.entries(BESIDES_CLAIMS).map(
	([subject, condition], index) =>
		dependingOn(subject, condition, `besides_${index}`),
);

/** A table, a view and a function for each dependency that no stored answer can have. */
export const UNCACHEABLES: readonly Hidden[] = Object.entries(UNCACHEABLE).map(
	([subject, condition], index) =>
		dependingOn(subject, condition, `moving_${index}`),
);

function dependingOn(subject: string, condition: string, name: string): Hidden {
	const table = `api.isolation_${name}`;
	const paths = [
		get(name),
		get(`${name}_seen`),
		call(`${name}_found`),
		post(`${name}_found`),
	];
	return {
		subject,
		make: `
				create table ${table} (id integer primary key, tenant text not null);
				insert into ${table} values (1, 'a'), (2, 'b');
				select postern.track('${table}');
				alter table ${table} enable row level security;
				create policy all_of_them on ${table} to anon using (true);
				create policy by_what_moves on ${table} to authenticated using (${condition});
				create view ${table}_seen as select * from ${table} where ${condition};
				create function ${table}_found() returns setof ${table}
				language sql stable security definer set search_path = ''
				begin atomic
					select * from ${table} where ${condition};
				end;
				grant select on ${table}, ${table}_seen to ${EVERYBODY};
				grant execute on function ${table}_found() to ${EVERYBODY};
			`,
		reads: paths.flatMap((read) =>
			["a", "b"].map((tenant) => ({
				...read,
				headers: {
					...read.headers,
					"x-tenant": tenant,
					cookie: `tenant=${tenant}`,
				},
			})),
		),
	};
}
