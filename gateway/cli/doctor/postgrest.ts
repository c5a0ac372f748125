// Asks the PostgREST behind the Worker with tokens such as the Worker signs. Reads only, except for `mark_schema`, which the Worker
// calls as well. Never repeats a request.
import { z } from "zod";
import { setPassage } from "../../src/origin/headers.ts";
import { requirePostgrest } from "../../src/origin/postgrest-answer.ts";
import { createSign } from "../../src/origin/sign.ts";
import type { OriginSettings } from "../../src/settings/feed-settings.ts";

const LIMIT_MS = 15_000;

const errorShape = z.object({
	code: z.string(),
	message: z.string(),
	hint: z.string().nullish(),
});

export type PostgrestFault = z.infer<typeof errorShape>;

export interface Answer {
	readonly status: number;
	readonly headers: Headers;
	/** Undefined where the body is no JSON. */
	readonly json: unknown;
	/** Where PostgREST or the database refuses the request. */
	readonly error: PostgrestFault | undefined;
	/** How far PostgREST's clock is ahead of this machine's, give or take a second. */
	readonly aheadMs: number;
}

interface Question {
	method?: "GET" | "POST" | "OPTIONS";
	/** Null: without a token. */
	role?: string | null;
	/** The schema. */
	profile?: string;
}

export type Ask = (path: string, question?: Question) => Promise<Answer>;

/** @throws {Error} from the returned function, where nothing answers, or not PostgREST */
export function createAsk(settings: OriginSettings): Ask {
	const sign = createSign(settings, Date.now);
	const base = settings.url.href.replace(/\/$/, "");

	return async function ask(
		path,
		{ method = "GET", role = "postern", profile = "postern" } = {},
	) {
		const headers = new Headers({ [profileHeader(method)]: profile });
		if (role !== null)
			headers.set(
				"authorization",
				`Bearer ${await sign({ role, claims: {} })}`,
			);
		setPassage(headers, settings);
		const sentAt = Date.now();
		const response = await fetch(base + path, {
			method,
			headers,
			redirect: "manual",
			signal: AbortSignal.timeout(LIMIT_MS),
		});
		const date = Date.parse(response.headers.get("date") ?? "");
		// The header is cut to a second.
		const aheadMs = date + 500 - (sentAt + Date.now()) / 2;
		const answer = await requirePostgrest(response, method);
		const json = parsed(await answer.text());
		return {
			status: answer.status,
			headers: answer.headers,
			json,
			error: answer.ok ? undefined : errorShape.safeParse(json).data,
			aheadMs: Number.isNaN(aheadMs) ? 0 : aheadMs,
		};
	};
}

function profileHeader(method: string): string {
	return method === "POST" ? "content-profile" : "accept-profile";
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** What a failure of fetch, or of telling PostgREST from others, has for its reason. */
export function reasonOf(error: unknown): string {
	if (!(error instanceof Error)) return String(error);
	const { cause } = error;
	if (cause instanceof AggregateError) return reasonOf(cause.errors[0]);
	return cause instanceof Error ? cause.message : error.message;
}
