// `postern track`: tracks tables, or ends that, in one transaction a table. So no lock is held while another table is waited for, and
// what is done stays done.
import { setTimeout as wait } from "node:timers/promises";
import { Client, DatabaseError } from "pg";
import { isContention } from "./migrate.ts";
import type { Log } from "./stack/service.ts";

interface TrackOptions {
	/** The database, as the owner of the tables. */
	databaseUrl: string;
	relations: readonly string[];
	/** Every table of these, and each that is created in them later. */
	schemas: readonly string[];
	/** An interval, such as `2 seconds`. Undefined: tables that are tracked keep theirs. */
	maxStaleness?: string | undefined;
	/** Ends the tracking. */
	untrack?: boolean | undefined;
	/** How long other transactions may hold one table. */
	patienceMs?: number;
	log: Log;
}

interface Step {
	/** A table, or a schema. */
	readonly name: string;
	readonly statement: string;
	readonly values: readonly (string | undefined)[];
	/** A schema may have tables that cannot be tracked. */
	readonly mayRefuse: boolean;
}

/** Writers of a table wait behind a transaction that waits for its lock. As in the migrations. */
const LOCK_TIMEOUT = "400ms";
const PAUSE_MS = 500;

/** wrong_object_type, feature_not_supported: what postern.track refuses to track */
const REFUSALS = ["42809", "0A000"];

const STALENESS = `coalesce($2::text::interval, (
	select max_staleness from postern.tracked_relations where relation = $1::text::regclass
))`;
const TRACK = `select postern.track($1::text::regclass, ${STALENESS})`;
/** The statement for the schema, which comes last, analyses the functions. */
const TRACK_TABLE_OF_SCHEMA = `select postern.track_table($1::text::regclass, ${STALENESS})`;
const TRACK_SCHEMA = `select postern.track_schema($1::text::regnamespace, coalesce($2::text::interval, (
	select max_staleness from postern.tracked_schemas where schema = $1::text::regnamespace
)))`;
const TABLES =
	"select relation::text as name from postern.tables_to_track($1::text::regnamespace) where not is_foreign";
const TRACKED_TABLES = `
	select relation::text as name from postern.tracked_relations
	join pg_catalog.pg_class on pg_class.oid = relation and relnamespace = $1::text::regnamespace
	order by relname`;

/** @throws {Error} naming the table that other transactions hold for too long, or that cannot be tracked */
export async function track(options: TrackOptions): Promise<void> {
	const { databaseUrl, log, patienceMs = 60_000 } = options;
	const client = new Client({ connectionString: databaseUrl });
	// The command fails with the query that the lost connection ends.
	client.on("error", () => {});
	client.on("notice", ({ message }) => {
		if (message !== undefined) log(message);
	});
	await client.connect();
	try {
		// A name means what it would mean in the catalog's reasons.
		await client.query("set search_path to pg_catalog");
		const steps = await stepsOf(client, options);
		for (const [index, step] of steps.entries()) {
			const outcome = await take(client, step, { log, patienceMs });
			log(`${index + 1} of ${steps.length}: ${step.name}${outcome}`);
		}
	} finally {
		await client.end();
	}
}

/** The tables first: then the statement for a schema finds nothing left to lock. */
async function stepsOf(
	client: Client,
	{ relations, schemas, maxStaleness, untrack = false }: TrackOptions,
): Promise<Step[]> {
	const values = untrack ? [] : [maxStaleness];
	const table = (name: string, ofSchema: boolean): Step => ({
		name,
		statement: untrack
			? "select postern.untrack($1::text::regclass)"
			: ofSchema
				? TRACK_TABLE_OF_SCHEMA
				: TRACK,
		values: [name, ...values],
		mayRefuse: ofSchema,
	});
	const steps = relations.map((name) => table(name, false));
	for (const schema of schemas) {
		const { rows } = await client.query<{ name: string }>(
			untrack ? TRACKED_TABLES : TABLES,
			[schema],
		);
		steps.push(...rows.map(({ name }) => table(name, true)), {
			name: `schema ${schema}`,
			statement: untrack
				? "select postern.untrack_schema($1::text::regnamespace)"
				: TRACK_SCHEMA,
			values: [schema, ...values],
			mayRefuse: false,
		});
	}
	return steps;
}

/** @returns what to add to the line of progress */
async function take(
	client: Client,
	{ name, statement, values, mayRefuse }: Step,
	{ log, patienceMs }: Required<Pick<TrackOptions, "log" | "patienceMs">>,
): Promise<string> {
	const giveUpAt = Date.now() + patienceMs;
	for (let tries = 0; ; tries++) {
		try {
			await client.query(`begin; set local lock_timeout = '${LOCK_TIMEOUT}'`);
			await client.query(statement, [...values]);
			await client.query("commit");
			return "";
		} catch (error) {
			await client.query("rollback").catch(() => {});
			const code = error instanceof DatabaseError ? (error.code ?? "") : "";
			const { message } = error as Error;
			if (mayRefuse && REFUSALS.includes(code))
				return ` is left out: ${message}`;
			if (!isContention(error)) throw error;
			if (Date.now() >= giveUpAt)
				throw new Error(
					`Other transactions hold ${name}: run the command again later. What is done stays done.`,
					{ cause: error },
				);
			if (tries === 0) log(`waiting for transactions that hold ${name}`);
			await wait(PAUSE_MS);
		}
	}
}
