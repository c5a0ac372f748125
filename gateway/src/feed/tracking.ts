// What the change feed asks of the database: three functions of schema `postern`, over PostgREST, as the role `postern`.
// What they answer is checked here; what has another shape is an error, and never means that nothing changed.
import { PostgrestError } from "@supabase/postgrest-js";
import { z } from "zod";
import { openDatabase } from "../http/database.ts";
import type { Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";

/** What was committed since a cursor. */
export interface Poll {
	/** For the next poll. */
	readonly cursor: string;
	/** What was committed since cannot be told: anything may have changed. */
	readonly isReset: boolean;
	readonly tags: readonly string[];
}

export interface LoadedCatalog {
	/** Another one whenever the catalog may have changed. */
	readonly version: string;
	/** All that was answered, the version included. */
	readonly json: unknown;
}

export interface Tracking {
	/** @throws {Absent} */
	poll(cursor: string | undefined): Promise<Poll>;
	/** @throws {Absent} */
	loadCatalog(): Promise<LoadedCatalog>;
	/** @returns whether there is no more to prune for now */
	prune(): Promise<boolean>;
}

/** The database tracks nothing, or nothing that the gateway may see. */
export class Absent extends Error {
	override readonly name = "Absent";
}

const FEED: Identity = Object.freeze({ role: "postern", claims: {} });

const TIMEOUT_MS = 5_000;

/** PostgREST's and Postgres's codes, each with what it says of the tracking. */
const ABSENCES: Readonly<Record<string, string>> = {
	PGRST106: "the schema postern is not among PostgREST's db-schemas",
	PGRST202: "the database has no function for it",
	"42883": "the database has no function for it",
	"3F000": "the database has no schema postern",
	"22023": "the database has no role postern",
	"42501": "the role postern may not call the function",
	PGRST301: "PostgREST does not accept the gateway's token",
	PGRST302: "PostgREST does not accept the gateway's token",
	PGRST303: "PostgREST does not accept the gateway's token",
};

const poll = z.object({
	cursor: z.string().min(1),
	reset: z.boolean(),
	tags: z.array(z.string().min(1)),
});
const catalog = z.looseObject({ version: z.string().min(1) });
const pruned = z.object({ isDone: z.boolean() });

/** @param schemas those that callers reach */
export function createTracking(
	pipeline: Pipeline,
	schemas: readonly string[],
): Tracking {
	return {
		async poll(cursor) {
			const answer = await call("changes_since", { cursor: cursor ?? null });
			const { cursor: next, reset, tags } = poll.parse(answer);
			return { cursor: next, isReset: reset, tags };
		},
		async loadCatalog() {
			const json = await call("catalog", { schemas });
			return { version: catalog.parse(json).version, json };
		},
		async prune() {
			return pruned.parse(await call("prune", {})).isDone;
		},
	};

	function call(name: string, parameters: object): Promise<unknown> {
		return withinLimit(async (signal) => {
			const options = { schema: "postern", signal };
			const database = openDatabase(pipeline, FEED, options);
			try {
				const { data } = await database.rpc(name, parameters).throwOnError();
				return data;
			} catch (error) {
				throw absence(error) ?? error;
			}
		});
	}
}

function absence(error: unknown): Absent | undefined {
	if (!(error instanceof PostgrestError)) return undefined;
	const reason = ABSENCES[error.code];
	return reason === undefined
		? undefined
		: new Absent(reason, { cause: error });
}

/** Ends the work where it can be ended, and does not wait for it in any case. */
async function withinLimit<Value>(
	work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
	const controller = new AbortController();
	let timer: number | null = null;
	const limit = new Promise<never>((_, reject) => {
		timer = setTimeout(() => {
			const error = new Error(
				`The database did not answer in ${TIMEOUT_MS} ms`,
			);
			reject(error);
			controller.abort(error);
		}, TIMEOUT_MS);
	});
	try {
		return await Promise.race([work(controller.signal), limit]);
	} finally {
		clearTimeout(timer);
	}
}
