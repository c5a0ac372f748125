// Lists what is not cacheable by the reasons that `postern.catalog()` gives, those first that cost the most reads. Decides nothing: a
// statement that mends is in the reason itself, or follows from what it names.
import { z } from "zod";
import { relationTag } from "../../src/feed/tag.ts";
import type { Database } from "./database.ts";
import { MIGRATE } from "./faults.ts";
import {
	command,
	type Mend,
	type NotCacheable,
	operator,
	type Report,
	sql,
} from "./finding.ts";
import { trackMend } from "./tracking.ts";

const reasons = z.array(z.string());
const catalogShape = z.object({
	preRequest: z.object({ reasons }).nullable(),
	relations: z.array(
		z.object({ schema: z.string(), name: z.string(), reasons }),
	),
	functions: z.array(z.object({ signature: z.string(), reasons })),
});

interface CatalogContext {
	/** Statements by reason, of `postern.status()`. */
	readonly mends: Readonly<Record<string, string>>;
	/** Undefined where it cannot be asked. */
	readonly database: Pick<Database, "findText" | "findJson"> | undefined;
}

/** What was read since the statistics were last reset. Functions count where `track_functions` is on. */
const READS = `
	select json_build_object(
		'relations', (
			select coalesce(json_agg(json_build_array(schemaname, relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0))), '[]')
			from pg_catalog.pg_stat_user_tables
		),
		'functions', (
			select coalesce(json_agg(json_build_array(signature, calls)), '[]')
			from unnest($1::text[]) as signature
			join pg_catalog.pg_stat_user_functions on funcid = to_regprocedure(signature)
		)
	)`;

const readsShape = z.object({
	relations: z.array(z.tuple([z.string(), z.string(), z.number()])),
	functions: z.array(z.tuple([z.string(), z.number()])),
});

export async function checkCatalog(
	answer: unknown,
	context: CatalogContext,
	report: Report,
): Promise<void> {
	const { preRequest, relations, functions } = catalogShape.parse(answer);
	for (const reason of preRequest?.reasons ?? [])
		report.addWrong(
			"pre-request",
			`Nothing is cached: PostgREST's pre-request function runs before every answer, and ${reason}`,
			(await mendOf(reason, context)) ??
				operator(
					"change the function, or PostgREST's db-pre-request: docs/tracking.md says what can be understood",
				),
		);
	const found = new Map<string, { relations: string[]; functions: string[] }>();
	const entryOf = (reason: string) => {
		const entry = found.get(reason) ?? { relations: [], functions: [] };
		found.set(reason, entry);
		return entry;
	};
	for (const { schema, name, reasons } of relations)
		for (const reason of reasons)
			entryOf(reason).relations.push(relationTag(schema, name));
	for (const { signature, reasons } of functions)
		for (const reason of reasons) entryOf(reason).functions.push(signature);
	const readsOf = await loadReads(functions, context);
	const listed: NotCacheable[] = [];
	for (const [reason, entry] of found)
		listed.push({
			reason,
			...entry,
			reads: readsOf?.([...entry.relations, ...entry.functions]),
			mend: await mendOf(reason, context),
		});
	report.notCacheable = listed.sort(
		(one, other) =>
			(other.reads ?? 0) - (one.reads ?? 0) ||
			other.relations.length - one.relations.length ||
			other.functions.length - one.functions.length,
	);
}

/** @returns how often these relations and functions were read, by the names that the report has for them */
async function loadReads(
	functions: readonly { signature: string }[],
	{ database }: CatalogContext,
): Promise<((names: readonly string[]) => number) | undefined> {
	if (database === undefined) return undefined;
	const signatures = functions.map(({ signature }) => signature);
	const found = readsShape.parse(await database.findJson(READS, [signatures]));
	const reads = new Map([
		...found.relations.map(([schema, name, count]): [string, number] => [
			relationTag(schema, name),
			count,
		]),
		...found.functions,
	]);
	return (names) =>
		names.reduce((sum, name) => sum + (reads.get(name) ?? 0), 0);
}

async function mendOf(
	reason: string,
	{ mends, database }: CatalogContext,
): Promise<Mend | undefined> {
	const known = mends[reason];
	if (known !== undefined) return sql(known);
	const named = /run `postern (\w+)`/.exec(reason)?.[1];
	if (named !== undefined) return command(`npx postern ${named}`);
	const [, statement, isQuestion] =
		/((?:alter function .* stable; )?select postern\.\w+\(.*\))( gives)?$/s.exec(
			reason,
		) ?? [];
	if (statement !== undefined && isQuestion !== undefined)
		return sql((await database?.findText(statement)) ?? statement);
	if (statement !== undefined) return sql(statement);
	const untracked = /^(.+) is not tracked$/.exec(reason)?.[1];
	if (untracked !== undefined) return trackMend(untracked);
	// Only functions of PostgreSQL itself have no schema here.
	const mistaken = /^([^(]+\..+\)) is marked immutable, and reads .*$/.exec(
		reason,
	)?.[1];
	if (mistaken !== undefined)
		return operator(`if it only reads: alter function ${mistaken} stable`);
	return / there are no event triggers$/.test(reason) ? MIGRATE : undefined;
}
