// Checks what `postern.status()` says: versions, tracked tables and their triggers, event triggers, and the pruning of the outbox.
// And whether PostgREST loads the schema when it is told to.
import { setTimeout as wait } from "node:timers/promises";
import { escapeLiteral } from "pg";
import { z } from "zod";
import { contractReason } from "../../src/feed/contract.ts";
import { MIGRATE, staleSchema } from "./faults.ts";
import { command, operator, type Report, sql } from "./finding.ts";
import { type Ask, reasonOf } from "./postgrest.ts";
import { checkPostgres } from "./versions.ts";

const statusShape = z.object({
	programs: z.object({ postern: z.string().default("0") }).default({
		postern: "0",
	}),
	databaseIncarnation: z.string().nullish(),
	isWatched: z.boolean().default(true),
	lost: z.array(z.string()).default([]),
	tracked: z.array(z.object({ relation: z.string() })).default([]),
	untracked: z.array(z.string()).default([]),
	wrong: z.array(z.string()).default([]),
	/** The statement that mends each. */
	mends: z.record(z.string(), z.string()).default({}),
});

export type Status = z.infer<typeof statusShape>;

interface StatusContext {
	/** Of this package. */
	readonly version: string;
	/** The schemas that callers reach. */
	readonly schemas: readonly string[];
	/** Whether event triggers can be created in this database. Undefined where it cannot be asked. */
	readonly mayWatch: boolean | undefined;
	readonly cachesUntestedVersions: boolean;
}

/** How long PostgREST has to load the schema. A large one takes seconds. */
const LOAD_MS = 10_000;
const LOOK_EVERY_MS = 250;

/** @returns undefined where this package cannot use the database, with the reason in the report */
export function checkStatus(
	answer: unknown,
	context: StatusContext,
	report: Report,
): Status | undefined {
	const { version, schemas, mayWatch } = context;
	const reason = contractReason(answer);
	const status = statusShape.parse(answer);
	const installed = status.programs.postern;
	const isOlder = compareVersions(installed, version) < 0;
	if (reason !== undefined) {
		report.addWrong(
			"contract",
			`Nothing is cached: ${reason}`,
			isOlder || installed === version
				? MIGRATE
				: command("npm update postern, and npx wrangler deploy"),
		);
		return undefined;
	}
	if (isOlder)
		report.addWrong(
			"migrations",
			`The database has the gateway's schema of ${installed}, this package is ${version}`,
			MIGRATE,
		);
	checkPostgres(answer, context, report);
	for (const problem of status.wrong) {
		const check = /^the outbox /.test(problem) ? "pruning" : "tracking";
		const mend = status.mends[problem];
		report.addWrong(check, problem, mend === undefined ? MIGRATE : sql(mend));
	}
	checkEventTriggers(status, mayWatch, report);
	checkTracked(status, schemas, report);
	return status;
}

function checkEventTriggers(
	{ isWatched, lost }: Status,
	mayWatch: boolean | undefined,
	report: Report,
): void {
	if (isWatched) return;
	const problem = `Event triggers do not tell of changes of the schema: ${lost.join("; ")}`;
	if (mayWatch) report.addWrong("event triggers", problem, MIGRATE);
	else
		report.addNote(
			"event triggers",
			problem,
			operator(
				"npx postern migrate, as a role that may create event triggers, if there is one",
			),
		);
}

function checkTracked(
	{ tracked, untracked }: Status,
	schemas: readonly string[],
	report: Report,
): void {
	if (tracked.length === 0)
		report.addWrong(
			"tracking",
			"No table is tracked: nothing is cached",
			command(`npx postern track --schema ${schemas.join(" ")}`),
		);
	for (const relation of untracked)
		report.addNote(
			"tracking",
			`${relation} is not tracked, and its schema is`,
			trackMend(relation),
		);
}

export function trackMend(relation: string) {
	return sql(`select postern.track(${escapeLiteral(relation)})`);
}

/** Makes a new table in schema postern, as the Worker does after each change of the schema, and waits until PostgREST knows it. */
export async function checkSchemaCache(
	ask: Ask,
	report: Report,
): Promise<void> {
	const { json, error } = await ask("/rpc/mark_schema", { method: "POST" });
	const marked = z.object({ marker: z.string() }).safeParse(json);
	if (error !== undefined || !marked.success) {
		if (error?.code === "PGRST202") report.addWrong(...staleSchema());
		else report.skip("schema cache", error?.message ?? reasonOf(marked.error));
		return;
	}
	const until = Date.now() + LOAD_MS;
	while (Date.now() < until) {
		const { status } = await ask(`/${marked.data.marker}`, {
			method: "OPTIONS",
		});
		if (status === 200) return;
		await wait(LOOK_EVERY_MS);
	}
	report.addWrong(...staleSchema());
}

function compareVersions(one: string, other: string): number {
	return one.localeCompare(other, "en", { numeric: true });
}
