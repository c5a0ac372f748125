// The views and functions of a world, at random: with their caller's rights and with others', some declared, some not.
import fc from "fast-check";
import { MEMBER, ROLES } from "./callers.ts";
import { type Condition, claimText, condition } from "./conditions.ts";
import {
	P,
	type Paths,
	SHADE,
	type Sites,
	subject,
	type Table,
} from "./tables.ts";
import { literal, seldom } from "./values.ts";

const security_invoker = fc.constantFrom("true", "false");
const definer = fc.constantFrom("security definer", "");

/** What a body that is text finds by a name without a schema: undefined takes names with schemas. */
const searchPath = fc.constantFrom(
	undefined,
	"",
	"set search_path = api",
	`set search_path = ${SHADE}, api`,
);

/** How a function is written: usually so that it is analysed, or declared. */
const writing = fc.record({
	rights: definer,
	volatility: fc.constantFrom("stable", "volatile"),
	searchPath,
});

/** A function that may_see calls, and what hides it and members in another schema. */
const knows = ({ knows, shade }: Sites): fc.Arbitrary<string> =>
	fc
		.record({
			one: condition(subject(knows, "members", "known")),
			other: claimText(shade),
			hidden: condition(subject(shade, "members", "known")),
			isHiding: fc.boolean(),
			writing,
			language: fc.constantFrom("sql", "plpgsql"),
		})
		.map(({ one, other, hidden, isHiding, writing, language }) => {
			const { rights, volatility, searchPath } = writing;
			const members = searchPath === undefined ? `${P}members` : "@members";
			const query = `select exists (select from ${members} as known where known.org = who and ${one.sql})`;
			const body = language === "sql" ? query : `begin return (${query}); end`;
			return `
	create or replace view ${SHADE}.@members with (security_invoker = true) as
		select known.* from ${P}members as known where not coalesce(${hidden.sql}, false);
	grant select on ${SHADE}.@members to ${ROLES};
	drop function if exists ${SHADE}.@knows(text);
	${isHiding ? `create function ${SHADE}.@knows(who text) returns boolean language sql stable set search_path = '' as $body$ select who = ${other.sql} $body$; grant execute on function ${SHADE}.@knows(text) to ${ROLES};` : ""}
	create or replace function ${P}knows(who text) returns boolean language ${language} ${volatility} ${rights} ${searchPath ?? "set search_path = ''"} as $body$ ${body} $body$;`;
		});

/** A function that conditions on notes call. */
const maySee = ({ maySee: paths }: Sites): fc.Arbitrary<string> =>
	fc
		.record({
			one: condition(subject(paths, "members", "known")),
			other: claimText(paths, true),
			writing,
			kind: seldom(
				fc.constant("computed" as const),
				fc.constantFrom(
					...["parsed", "text", "statements", "plpgsql", "declared"],
				),
				8,
			),
		})
		.map(({ one, other, writing, kind }) => {
			const { rights, volatility, searchPath } = writing;
			const isText = ["text", "statements", "plpgsql"].includes(kind);
			const before = isText && searchPath !== undefined ? "@" : P;
			const among = `from ${before}members as known where known.member = wanted`;
			const isOf = `(known.org = who or ${before}knows(known.org))`;
			const query = `select exists (select ${among} and (${one.sql} or ${kind === "declared" ? "known.org = who" : isOf}))`;
			const head = (language: string) =>
				`create or replace function ${P}may_see(wanted text, who text default ${other.sql}) returns boolean language ${language} ${kind === "declared" ? "stable" : volatility} ${rights} ${isText && searchPath !== undefined ? searchPath : "set search_path = ''"}`;
			switch (kind) {
				case "parsed":
					return `${head("sql")} return (${query});`;
				case "text":
					return `${head("sql")} as $body$ ${query} $body$;`;
				case "statements":
					return `${head("sql")} as $body$ select ';\\' /* ; */ ; ${query}; -- ; $body$;`;
				case "plpgsql":
					return `${head("plpgsql")} as $body$
						declare seen boolean := false;
						begin
							select exists (select ${among} and ${one.sql}) into seen;
							if seen then return true; end if;
							return exists (select ${among} and ${isOf});
						end $body$;`;
				case "computed":
					return `${head("plpgsql")} as $body$
						declare seen boolean;
						begin execute $query$ ${query.replaceAll("wanted", "$1").replaceAll("who", "$2")} $query$ into seen using wanted, who; return seen; end $body$;`;
				default:
					return (
						`${head("sql")} as $body$ ${query} $body$;` +
						declared(`${P}may_see(text, text)`, {
							...one,
							claims: [...one.claims, ...other.claims],
						})
					);
			}
		});

/** Declares a function that reads members, and perhaps teams. */
function declared(signature: string, { claims }: Condition): string {
	const names = claims.length === 0 ? "'{}'" : `array[${claims.map(literal)}]`;
	return `select postern.declare_cacheable('${signature}', '{${P}members,${P}teams}', ${names});`;
}

/** The view's own condition; in half of the cases it has none. */
const filter = (paths: Paths, table: Table, row: string) =>
	seldom(
		condition(subject(paths, table, row)),
		fc.constant<Condition>({ sql: "true", claims: [] }),
		2,
	);

const views = ({
	views: paths,
	column,
	functions,
}: Sites): fc.Arbitrary<string> =>
	fc
		.record({
			shown: filter(paths, "notes", "note"),
			open: filter(paths, "notes", "note"),
			owned: filter(paths, "replies", "reply"),
			owner: fc.constantFrom("postgres", "service", "authenticated", MEMBER),
			base: fc.constantFrom("shown", "open"),
			invokers: fc.tuple(security_invoker, security_invoker),
			claim: claimText(paths),
			default: claimText(functions, true),
			mine: condition(subject(column, "notes", "note")),
			found: condition(subject(functions, "notes", "note")),
			foundBy: definer,
			listed: filter(functions, "members", "other"),
			listedBy: definer,
			listedIn: fc.constantFrom("sql", "plpgsql"),
			isListedDeclared: seldom(fc.constant(false), fc.constant(true), 4),
		})
		.map(
			(of) => `
	create or replace view ${P}shown with (security_invoker = true) as
		select note.id, note.owner, note.level, note.team_id from ${P}notes as note where ${of.shown.sql};
	create or replace view ${P}open as
		select note.id, note.owner, note.level, note.team_id, note.body from ${P}notes as note where ${of.open.sql};
	create or replace view ${P}owned as
		select reply.* from ${P}replies as reply where ${of.owned.sql};
	alter view ${P}owned owner to ${of.owner};
	create or replace view ${P}digest with (security_invoker = ${of.invokers[0]}) as
		select seen.owner, count(distinct seen.id) as notes, count(reply.id) as replies, max(${of.claim.sql}) as claim
		from ${P}${of.base} as seen
		left join ${P}replies as reply on reply.note_id = seen.id
		group by seen.owner;
	create or replace view ${P}me with (security_invoker = ${of.invokers[1]}) as
		select 1 as id, current_user::text as role, (${of.claim.sql})::text as claim, (select count(*) from ${P}digest) as owners;
	create or replace function ${P}mine(note ${P}notes) returns boolean language sql stable set search_path = ''
		return coalesce(${of.mine.sql}, false);
	create or replace function ${P}siblings(note ${P}notes) returns setof ${P}notes language sql stable set search_path = ''
	begin atomic
		select sibling.* from ${P}notes as sibling where sibling.team_id = note.team_id and sibling.id <> note.id;
	end;
	create or replace function ${P}found(wanted integer default 3, who text default ${of.default.sql}) returns setof ${P}notes
	language sql stable ${of.foundBy} set search_path = ''
	begin atomic
		select note.* from ${P}notes as note where note.level <= wanted and (${of.found.sql} or note.owner = who);
	end;
	create or replace function ${P}listed(wanted text default 'a') returns table (id integer, member text, org text)
	language ${of.listedIn} stable ${of.listedBy} set search_path = ''
	as $body$
		${of.listedIn === "plpgsql" ? "begin return query" : ""}
		select other.team_id, other.member, other.org from ${P}members as other where other.member >= wanted and ${of.listed.sql}
		${of.listedIn === "plpgsql" ? "; end" : ""}
	$body$;
	${of.isListedDeclared ? declared(`${P}listed(text)`, of.listed) : ""}
	grant select on ${P}shown, ${P}open, ${P}owned, ${P}digest, ${P}me to ${ROLES};
	grant execute on function ${P}knows(text), ${P}may_see(text, text), ${P}mine(${P}notes), ${P}siblings(${P}notes), ${P}found(integer, text), ${P}listed(text) to ${ROLES};
`,
		);

export function readers(sites: Sites): fc.Arbitrary<string> {
	return fc.tuple(knows(sites), maySee(sites), views(sites)).map((all) =>
		[
			// Some bodies mean something under PostgREST's search path only.
			"set check_function_bodies = off;",
			...all,
		].join("\n"),
	);
}
