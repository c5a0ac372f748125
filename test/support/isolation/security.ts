// Random policies and grants on a world's tables.
import fc from "fast-check";
import { MEMBER, ROLES } from "./callers.ts";
import { condition, ownership, UNCACHEABLE } from "./conditions.ts";
import {
	P,
	type Paths,
	type Sites,
	SUBJECTS,
	subject,
	TABLES,
	type Table,
} from "./tables.ts";
import { seldom } from "./values.ts";

const roleList = fc.oneof(
	{ weight: 3, arbitrary: fc.constant("public") },
	{ weight: 3, arbitrary: fc.constant("authenticated") },
	{
		weight: 3,
		arbitrary: fc
			.subarray(["anon", "authenticated", "service", MEMBER], { minLength: 1 })
			.map((roles) => roles.join()),
	},
);

const command = fc.oneof(
	{ weight: 6, arbitrary: fc.constant("select") },
	{ weight: 6, arbitrary: fc.constant("all") },
	{ weight: 1, arbitrary: fc.constant("update") },
);

function policy(
	paths: Paths,
	table: Table,
	name: string,
	kind: "permissive" | "restrictive",
): fc.Arbitrary<string> {
	const about = subject(paths, table);
	return fc
		.tuple(command, roleList, fc.oneof(ownership(about), condition(about)))
		.map(
			([of, roles, { sql }]) =>
				`create policy ${name} on ${P}${table} as ${kind} for ${of} to ${roles} using (${sql});`,
		);
}

const none = fc.constant("");

/** Row level security of a table, sometimes none. */
const rowSecurity = (paths: Paths, table: Table): fc.Arbitrary<string> =>
	seldom(
		none,
		fc
			.tuple(
				policy(paths, table, "first", "permissive"),
				seldom(policy(paths, table, "second", "permissive"), none, 3),
				seldom(policy(paths, table, "third", "restrictive"), none, 4),
				seldom(
					fc.constantFrom(
						`create policy open on ${P}${table} for select using (true);`,
						`create policy open on ${P}${table} for select using (${P}${table}.${SUBJECTS[table].levels[0]} <= 1);`,
					),
					none,
					4,
				),
				fc.boolean(),
			)
			.map(
				([first, second, third, open, isForced]) => `
					alter table ${P}${table} enable row level security;
					${isForced ? `alter table ${P}${table} force row level security;` : ""}
					${first} ${second} ${third} ${open}
				`,
			),
		7,
	);

const uncacheable = seldom(
	fc
		.tuple(
			fc.constantFrom(...TABLES),
			fc.constantFrom(...Object.values(UNCACHEABLE)),
			roleList,
		)
		.map(
			([table, sql, roles]) =>
				`create policy uncacheable on ${P}${table} for select to ${roles} using (${sql});`,
		),
	none,
	8,
);

/** Functions and policies read these. Whether a role without the privilege is refused depends on the execution plan, which may change. */
const READ_BY_ALL: readonly Table[] = ["members", "teams"];

/** Some roles may read only some columns, or nothing. */
const grants = fc
	.tuple(...TABLES.flatMap((table) => ROLES.map((role) => grant(table, role))))
	.map((all) => all.join("\n"));

function grant(table: Table, role: string): fc.Arbitrary<string> {
	const all = `grant select on ${P}${table} to ${role};`;
	if (READ_BY_ALL.includes(table)) return fc.constant(all);
	const columns =
		table === "notes" ? ["id", "owner", "level", "team_id"] : ["id", "note_id"];
	const some = fc
		.subarray(columns, { minLength: 1 })
		.map((names) => `grant select (${names}) on ${P}${table} to ${role};`);
	return seldom(fc.oneof(fc.constant(""), some, some), fc.constant(all), 12);
}

/** The policies and grants of all tables. */
export function security(sites: Sites): fc.Arbitrary<string> {
	return fc
		.tuple(
			fc.tuple(...TABLES.map((table) => rowSecurity(sites[table], table))),
			uncacheable,
			grants,
		)
		.map(([tables, ...others]) => [...tables, ...others].join("\n"));
}

/** Drops every policy, revokes every grant, and disables row level security. */
export const NO_SECURITY = `
	do $$
	declare
		gone record;
	begin
		for gone in
			select polname, polrelid::regclass as relation from pg_policy where polrelid::regclass::text ~ '^${P}'
		loop
			execute format('drop policy %I on %s', gone.polname, gone.relation);
		end loop;
	end
	$$;
	${TABLES.map(
		(table) => `
			alter table ${P}${table} disable row level security;
			alter table ${P}${table} no force row level security;
			revoke select on ${P}${table} from ${ROLES};
		`,
	).join("")}
`;
