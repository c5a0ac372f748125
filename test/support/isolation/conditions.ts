// Random conditions of policies, views and functions: by claims in every way that SQL can read them, by role,
// by other tables, by functions, and by values on which no stored answer can depend.
import fc from "fast-check";
import type { ClaimPath } from "./callers.ts";
import { literal, text } from "./values.ts";

/** A condition, and the declaration that a function with it needs. */
export interface Condition {
	readonly sql: string;
	/** The claims that it reads. */
	readonly claims: readonly string[];
}

/** The columns, claims and tables that a condition may use. */
export interface Subject {
	/** The claims that it may read. */
	readonly paths: readonly ClaimPath[];
	/** The prefix of the table's columns. */
	readonly row: string;
	/** Columns of type text. */
	readonly texts: readonly string[];
	/** Columns of type integer. */
	readonly levels: readonly string[];
	/** The column that names a team. */
	readonly team?: string;
	/** Tables that it may look the team up in. */
	readonly members?: string;
	readonly teams?: string;
	/** A function of text that it may call. */
	readonly maySee?: string;
}

/** The claims of the request, all of them. */
const CLAIMS = [
	"current_setting('request.jwt.claims')",
	"current_setting('request.jwt.claims', true)",
	"nullif(current_setting('request.jwt.claims', true), '')",
	"coalesce(current_setting('request.jwt.claims', true), '{}')",
	"coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')",
];

const claimsAs = (types: readonly string[]) =>
	fc
		.tuple(fc.constantFrom(...CLAIMS), fc.constantFrom(...types))
		.map(([all, type]) => `${all}::${type}`);

/** The text of one of these claims. @param isPlain without a query around it, which some places do not take */
export function claimText(
	paths: readonly ClaimPath[],
	isPlain = false,
): fc.Arbitrary<Condition> {
	const [, ...plainWraps] = WRAPS;
	return fc
		.tuple(
			fc.constantFrom(...paths),
			claimsAs(["json", "jsonb"]),
			fc.nat(4),
			fc.constantFrom(...(isPlain ? plainWraps : WRAPS)),
		)
		.map(([path, all, form, wrap]) => ({
			sql: wrap(reader(path, all, form)),
			claims: [path[0]],
		}));
}

const WRAPS: readonly ((sql: string) => string)[] = [
	(sql) => `(select ${sql})`,
	(sql) => sql,
	(sql) => `coalesce(${sql}, 'a')`,
	(sql) => `nullif(${sql}, '')`,
	(sql) => `lower(${sql})`,
	(sql) => `btrim(${sql})`,
	(sql) => `(${sql})::varchar`,
	(sql) => `split_part(${sql}, ',', 1)`,
];

function reader(path: ClaimPath, all: string, form: number): string {
	const names = path.map(literal);
	const isPlain = path.every((name) => /^\w+$/.test(name));
	if (form === 0 && isPlain) return `(${all} #>> '{${path.join()}}')`;
	if (form === 1 && all.endsWith("jsonb"))
		return `((${all})[${names.join("][")}] #>> '{}')`;
	const last = names.pop();
	return `(${[all, ...names].join(" -> ")} ->> ${last})`;
}

export function condition(subject: Subject): fc.Arbitrary<Condition> {
	return fc.letrec<{ leaf: Condition; any: Condition }>((tie) => ({
		leaf: leaf(subject),
		any: fc.oneof(
			{ maxDepth: 2, depthSize: "small" },
			{ weight: 5, arbitrary: tie("leaf") },
			{ weight: 2, arbitrary: both(tie("any"), "and") },
			{ weight: 2, arbitrary: both(tie("any"), "or") },
			{
				weight: 1,
				arbitrary: tie("leaf").map((one) => ({
					...one,
					sql: `not coalesce(${one.sql}, false)`,
				})),
			},
			{
				weight: 1,
				arbitrary: fc
					.tuple(tie("leaf"), tie("leaf"), tie("leaf"))
					.map(([when, then, otherwise]) => ({
						sql: `case when ${when.sql} then ${then.sql} else ${otherwise.sql} end`,
						claims: [...when.claims, ...then.claims, ...otherwise.claims],
					})),
			},
		),
	})).any;
}

function both(
	part: fc.Arbitrary<Condition>,
	operator: string,
): fc.Arbitrary<Condition> {
	return fc.tuple(part, part).map(([left, right]) => ({
		sql: `(${left.sql} ${operator} ${right.sql})`,
		claims: [...left.claims, ...right.claims],
	}));
}

function leaf(subject: Subject): fc.Arbitrary<Condition> {
	const { row, texts, levels } = subject;
	const column = fc.constantFrom(...texts.map((name) => `${row}.${name}`));
	const level = fc.constantFrom(...levels.map((name) => `${row}.${name}`));
	return fc.oneof(
		{ weight: 10, arbitrary: byClaims(claimText(subject.paths), column) },
		{ weight: 2, arbitrary: byRole(column).map(unclaimed) },
		{ weight: 3, arbitrary: byRow(column, level).map(unclaimed) },
		...byOthers(subject, column).map((arbitrary) => ({ weight: 4, arbitrary })),
	);
}

/** Conditions that compare a row with the caller's claims. */
export function ownership({
	paths,
	row,
	texts,
}: Subject): fc.Arbitrary<Condition> {
	const column = fc.constantFrom(...texts.map((name) => `${row}.${name}`));
	return byClaims(claimText(paths), column);
}

function byClaims(
	claim: fc.Arbitrary<Condition>,
	column: fc.Arbitrary<string>,
): fc.Arbitrary<Condition> {
	const compared = fc
		.tuple(claim, column, fc.constantFrom(...COMPARISONS))
		.map(([{ sql, claims }, name, compare]) => ({
			sql: compare(sql, name),
			claims,
		}));
	const alone = fc
		.tuple(claim, fc.constantFrom("is null", "in ('a', 'null', '')", "<> 'A'"))
		.map(([{ sql, claims }, test]) => ({ sql: `${sql} ${test}`, claims }));
	const asJson = fc
		.tuple(claimsAs(["jsonb"]), column, fc.constantFrom(...JSON_COMPARISONS))
		.map(([all, name, compare]) => compare(all, name));
	return fc.oneof(
		{ weight: 7, arbitrary: compared },
		{ weight: 1, arbitrary: alone },
		{ weight: 2, arbitrary: asJson },
	);
}

const COMPARISONS: readonly ((claim: string, column: string) => string)[] = [
	(claim, column) => `${claim} = ${column}`,
	(claim, column) => `${column} = ${claim}`,
	(claim, column) => `${column} is not distinct from ${claim}`,
	(claim, column) => `${column} = any (string_to_array(${claim}, ','))`,
	(claim, column) => `starts_with(${column}, ${claim})`,
	(claim, column) => `${claim} || '' = ${column}`,
];

const JSON_COMPARISONS: readonly ((
	claims: string,
	column: string,
) => Condition)[] = [
	(all, column) => ({
		sql: `coalesce(${all} -> 'groups', '[]') ? ${column}`,
		claims: ["groups"],
	}),
	(all, column) => ({
		sql: `${column} in (
			select jsonb_array_elements_text(case jsonb_typeof(${all} -> 'groups') when 'array' then ${all} -> 'groups' else '[]' end)
		)`,
		claims: ["groups"],
	}),
	(all, column) => ({
		sql: `position(${column} in (${all} -> 'app_metadata')::text) > 1`,
		claims: ["app_metadata"],
	}),
];

function byRole(column: fc.Arbitrary<string>): fc.Arbitrary<string> {
	return fc.oneof(
		column.map((name) => `current_user = ${name}`),
		fc.constantFrom(
			"current_user = 'service'",
			"current_role <> 'anon'",
			"current_setting('role') = 'authenticated'",
			"current_setting('role', true) = 'anon'",
		),
	);
}

function byRow(
	column: fc.Arbitrary<string>,
	level: fc.Arbitrary<string>,
): fc.Arbitrary<string> {
	return fc.oneof(
		fc.constant("true"),
		fc
			.tuple(column, text)
			.map(([name, value]) => `${name} = ${literal(value)}`),
		fc.tuple(level, fc.nat(3)).map(([name, value]) => `${name} <= ${value}`),
	);
}

/** Conditions that ask other tables and functions. */
function byOthers(
	{ paths, row, team, members, teams, maySee }: Subject,
	column: fc.Arbitrary<string>,
): fc.Arbitrary<Condition>[] {
	const claim = claimText(paths);
	const others: fc.Arbitrary<Condition>[] = [];
	if (members !== undefined)
		others.push(
			claim.map(({ sql, claims }) => ({
				sql: `exists (select from ${members} as other where other.team_id = ${row}.${team} and other.member = ${sql})`,
				claims,
			})),
		);
	if (teams !== undefined)
		others.push(
			claim.map(({ sql, claims }) => ({
				sql: `${row}.${team} in (select id from ${teams} where tenant = ${sql})`,
				claims,
			})),
		);
	if (maySee !== undefined)
		others.push(column.map((name) => unclaimed(`${maySee}(${name})`)));
	return others;
}

function unclaimed(sql: string): Condition {
	return { sql, claims: [] };
}

/** Conditions by what is no claim, on which a stored answer may depend. Each has one outcome for one caller and request. */
export const BESIDES_CLAIMS: Readonly<Record<string, string>> = {
	"a header":
		"current_setting('request.headers', true)::json ->> 'x-tenant' = 'a'",
	"a cookie":
		"current_setting('request.cookies', true)::json ->> 'tenant' = 'a'",
	"the clock": "clock_timestamp() > '2020-01-01'",
};

/** Conditions on which no stored answer can depend, though each has one outcome for one caller and request. */
export const UNCACHEABLE: Readonly<Record<string, string>> = {
	"all claims": "current_setting('request.jwt.claims', true)::jsonb ? 'tenant'",
	"a claim by a computed name":
		"current_setting('request.jwt.claims', true)::json ->> lower('TENANT') = 'a'",
	"the path": "current_setting('request.path', true) <> '/'",
	"the method": "current_setting('request.method', true) = 'GET'",
	"the time at which the token ends":
		"(current_setting('request.jwt.claims', true)::json ->> 'exp')::bigint > 0",
	"the session": "pg_backend_pid() > 0",
	chance: "random() < 2",
};
