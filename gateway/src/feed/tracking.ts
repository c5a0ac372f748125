// What the change feed asks of the database: four functions of schema `postern`, over PostgREST, as the role `postern`; and of
// PostgREST, what it has loaded of that schema.
// It checks the contract and the shape of each answer. An answer of another shape is an error, and never means that nothing changed.
import { PostgrestError } from "@supabase/postgrest-js";
import * as z from "zod/mini";
import { callFunction } from "../http/database.ts";
import { Refusal } from "../http/refusals.ts";
import { GATEWAY, GATEWAY_FOR_CODES } from "../identity/identity.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";
import type { FeedSettings } from "../settings/feed-settings.ts";
import { catalogParts } from "./catalog-parts.ts";
import { contractReason } from "./contract.ts";
import { postgrestMajor, testedMajors, untestedReason } from "./versions.ts";

/** What was committed since a cursor. */
export interface Poll {
	/** The cursor of the next poll. */
	readonly cursor: string;
	/** The database cannot tell the changes, so anything may have changed. */
	readonly isReset: boolean;
	readonly tags: readonly string[];
}

export interface Tracking {
	/** @throws {Absent} */
	poll(cursor: string | undefined): Promise<Poll>;
	/**
	 * @returns `CatalogParts`, for isolates
	 * @throws {Absent}
	 */
	loadCatalog(): Promise<unknown>;
	/** @returns whether there is no more to prune for now */
	prune(): Promise<boolean>;
	/** Makes a table with a new name, and tells PostgREST to load the schema. @returns the name */
	markSchema(): Promise<string>;
	/** @returns whether PostgREST has loaded the table that `markSchema` made, and so everything that was committed before */
	hasLoaded(marker: string): Promise<boolean>;
}

/** The database tracks nothing, or nothing that the Worker may see or understands. */
export class Absent extends Error {
	override readonly name = "Absent";
}

/** The database tracks, and what its answers mean in this version of it or of PostgREST was not tested. */
export class Untested extends Absent {}

/** What a function returned, and the header `Server` of PostgREST's answer. */
interface Called {
	readonly answer: unknown;
	readonly server: string | null;
}

const TIMEOUT_MS = 5_000;

/** The codes of PostgREST and Postgres that mean `Absent`, each with the reason. */
const ABSENCE_REASONS: Readonly<Record<string, string>> = {
	PGRST106: "the schema postern is not among PostgREST's db-schemas",
	PGRST202: "the database has no function for it",
	"42883": "the database has no function for it",
	"3F000": "the database has no schema postern",
	"22023": "the database has no role postern",
	"42501": "the role postern may not call the function",
};

const poll = z.lazy(() =>
	z.object({
		cursor: z.string().check(z.minLength(1)),
		reset: z.boolean(),
		tags: z.array(z.string().check(z.minLength(1))),
		/** PostgreSQL's major. */
		postgres: z.optional(z.int()),
		/** The session's application_name. */
		application: z.optional(z.string()),
	}),
);
const pruned = z.lazy(() => z.object({ isDone: z.boolean() }));
const marked = z.lazy(() =>
	z.object({ marker: z.string().check(z.regex(/^\w+$/)) }),
);

export function createTracking(
	pipeline: Pipeline,
	{ schemas, preRequest, cachesUntestedVersions }: Omit<FeedSettings, "origin">,
): Tracking {
	return {
		async poll(cursor) {
			const { answer, server } = await ask("changes_since", {
				cursor: cursor ?? null,
			});
			const { cursor: next, reset, tags, ...versions } = poll.parse(answer);
			if (!cachesUntestedVersions) requireTested({ ...versions, server });
			return { cursor: next, isReset: reset, tags };
		},
		async loadCatalog() {
			const { answer } = await ask("catalog", {
				schemas,
				pre_request: preRequest ?? null,
			});
			return catalogParts(answer);
		},
		async prune() {
			return pruned.parse((await call("prune", {})).answer).isDone;
		},
		async markSchema() {
			return marked.parse((await call("mark_schema", {})).answer).marker;
		},
		hasLoaded: (marker) =>
			withinLimit(async (signal) => {
				// PostgREST answers OPTIONS from its schema cache alone.
				const request = new Request(`${PIPELINE_URL}/${marker}`, {
					method: "OPTIONS",
					headers: { "Accept-Profile": "postern" },
					signal,
				});
				const { status, body } = await pipeline(request, GATEWAY);
				await body?.cancel();
				if (status === 200 || status === 404) return status === 200;
				throw new Error(`PostgREST answers OPTIONS with ${status}`);
			}),
	};

	async function ask(name: string, parameters: object): Promise<Called> {
		const called = await call(name, parameters);
		const reason = contractReason(called.answer);
		if (reason !== undefined) throw new Absent(reason);
		return called;
	}

	function call(name: string, parameters: object): Promise<Called> {
		return withinLimit(async (signal) => {
			const call = { name, parameters, signal };
			try {
				const called = await callFunction(pipeline, GATEWAY_FOR_CODES, call);
				return { answer: JSON.parse(called.json), server: called.server };
			} catch (error) {
				throw absence(error) ?? error;
			}
		});
	}
}

/** @throws {Untested} */
function requireTested(versions: {
	postgres?: number | undefined;
	application?: string | undefined;
	server: string | null;
}): void {
	const { postgres, application, server } = versions;
	const majors = [
		["PostgreSQL", postgres],
		["PostgREST", postgrestMajor(server, application)],
	] as const;
	for (const [program, major] of majors) {
		const reason = untestedReason(program, major);
		if (reason !== undefined)
			throw new Untested(
				`${reason}; ${testedMajors(program)} were, and CACHE_UNTESTED_VERSIONS=on allows others`,
			);
	}
}

function absence(error: unknown): Absent | undefined {
	if (error instanceof Refusal && error.code === "origin_refused")
		return new Absent(
			"PostgREST accepts neither the gateway's token nor its role",
			{
				cause: error,
			},
		);
	if (!(error instanceof PostgrestError)) return undefined;
	const reason = ABSENCE_REASONS[error.code];
	return reason === undefined
		? undefined
		: new Absent(reason, { cause: error });
}

/** Aborts the work after TIMEOUT_MS, and does not wait for it any longer, even where it ignores the signal. */
async function withinLimit<Value>(
	work: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
	const controller = new AbortController();
	let timer: number | null = null;
	const limit = new Promise<never>((_, reject) => {
		timer = setTimeout(() => {
			const error = new Refusal("origin_timeout", {
				details: `the limit is ${TIMEOUT_MS} ms`,
			});
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
