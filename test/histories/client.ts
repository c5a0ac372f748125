// Callers, who send one request at a time and carry the consistency tokens of each answer to the next request.
import { Agent, type IncomingHttpHeaders, request as send } from "node:http";
import { text } from "node:stream/consumers";
import type { Read, User, Write } from "./check/history.ts";
import { now } from "./check/history.ts";
import { canonical, type SentQuery } from "./queries.ts";
import type { GatewayWrite } from "./writes.ts";

const TOKEN = "postern-token";
const TIMEOUT_MS = 15_000;

/** A place to send requests to. */
export interface Target {
	readonly name: string;
	/** PostgREST's root at that place. */
	readonly url: string;
}

/** A cache directive, and the maximum staleness that it asks for. */
export interface Directive {
	readonly field: string;
	readonly maxStalenessMs?: number | undefined;
}

/** A user with credentials. */
export interface Caller extends User {
	/** Access tokens that differ only in claims on which no answer depends. Empty: the user is anonymous. */
	readonly credentials: readonly string[];
}

export interface Answer {
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly etag: string | undefined;
	readonly body: string;
}

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

interface Reading {
	readonly query: SentQuery;
	readonly user: Caller;
	readonly credential: string | undefined;
	readonly target: Target;
	readonly directive?: Directive | undefined;
	/** Sends If-None-Match with the ETag of the last answer. */
	readonly isConditional?: boolean;
	/** How long the reader waits before it disconnects, in milliseconds. */
	readonly patienceMs?: number | undefined;
}

/** A client that reads and writes, one request after another. */
export class Session {
	readonly name: string;
	/** Whether it sends the consistency tokens that it received. */
	readonly isCausal: boolean;
	#tokens: string | undefined;
	/** The answers that a browser would remember, with their ETags. */
	readonly #remembered = new Map<string, { etag: string; answer: string }>();

	constructor(name: string, isCausal: boolean) {
		this.name = name;
		this.isCausal = isCausal;
	}

	/** Receives another session's tokens, and keeps its own. */
	hear(other: Session): void {
		const all = [this.#tokens, other.#tokens].filter(
			(one) => one !== undefined,
		);
		if (all.length > 0) this.#tokens = all.join(", ");
	}

	async read(reading: Reading): Promise<Read> {
		const { query, user, credential, target, directive } = reading;
		const memory = `${user.name} ${query.name}`;
		const remembered = reading.isConditional
			? this.#remembered.get(memory)
			: undefined;
		const headers = { ...query.headers, ...this.#headers(credential) };
		if (directive !== undefined) headers["cache-control"] = directive.field;
		if (remembered !== undefined) headers["if-none-match"] = remembered.etag;
		const sentAt = now();
		const outcome = await attempt(() =>
			ask(target, query.path, {
				method: query.method,
				headers,
				body: query.body,
				patienceMs: reading.patienceMs,
			}),
		);
		const endedAt = now();
		this.#keepToken(outcome);
		const common = {
			kind: "read",
			session: this.name,
			sentAt,
			endedAt,
			user: user.name,
			query: query.name,
			from: target.name,
			isCausal: this.isCausal,
			maxStalenessMs: directive?.maxStalenessMs,
		} as const;
		if ("failure" in outcome)
			return { ...common, answer: undefined, cacheStatus: "", ...outcome };
		const { status, body, etag } = outcome;
		const cacheStatus = String(outcome.headers["cache-status"] ?? "");
		if (status >= 500) {
			const failure = `${status} ${body}`;
			return { ...common, answer: undefined, failure, cacheStatus };
		}
		const answer =
			status === 304 && remembered !== undefined
				? remembered.answer
				: textOf(outcome);
		if (etag !== undefined) this.#remembered.set(memory, { etag, answer });
		const age = outcome.headers.age;
		const ageMs = age === undefined ? undefined : Number(age) * 1_000;
		return { ...common, answer, cacheStatus, ageMs };
	}

	async write(
		{ method, path, body, prefer, hasEffect = false }: GatewayWrite,
		operation: string,
		credential: string | undefined,
		target: Target,
		patienceMs?: number,
	): Promise<Write> {
		const sentAt = now();
		const headers: Record<string, string> = {
			...this.#headers(credential),
			"x-operation": operation,
		};
		if (prefer !== undefined) headers.prefer = prefer;
		if (body !== undefined) headers["content-type"] = "application/json";
		const outcome = await attempt(() =>
			ask(target, path, {
				method,
				headers,
				body: body === undefined ? undefined : JSON.stringify(body),
				patienceMs,
			}),
		);
		const status = "status" in outcome ? outcome.status : 0;
		const isAcknowledged = status >= 200 && status < 300;
		this.#keepToken(outcome);
		return {
			kind: "write",
			session: this.name,
			sentAt,
			endedAt: now(),
			operation,
			description: `${method} ${path} ${JSON.stringify(body) ?? ""} at ${target.name}`,
			isAcknowledged,
			hasEffect,
			isCausal: this.isCausal,
			outcome: "failure" in outcome ? outcome.failure : String(status),
		};
	}

	#headers(credential: string | undefined): Record<string, string> {
		const headers: Record<string, string> = {};
		if (credential !== undefined)
			headers.authorization = `Bearer ${credential}`;
		if (this.isCausal && this.#tokens !== undefined)
			headers[TOKEN] = this.#tokens;
		return headers;
	}

	#keepToken(outcome: Outcome): void {
		const token = "headers" in outcome ? outcome.headers[TOKEN] : undefined;
		if (token !== undefined) this.#tokens = String(token);
	}
}

/** The answer as histories record it. */
function textOf({ status, headers, body }: Answer): string {
	// The only refusal that is an answer: it means that there is not exactly one row.
	if (status === 406) return "406";
	const isJson = /\bjson\b/.test(headers["content-type"] ?? "");
	return canonical(status, headers["content-range"] ?? null, body, isJson);
}

type Outcome = Answer | { failure: string };

async function attempt(act: () => Promise<Answer>): Promise<Outcome> {
	try {
		return await act();
	} catch (error) {
		return { failure: error instanceof Error ? error.message : String(error) };
	}
}

interface Asked {
	method: string;
	headers: Record<string, string>;
	body?: string | undefined;
	patienceMs?: number | undefined;
}

function ask(
	{ url }: Target,
	path: string,
	{ method, headers, body, patienceMs = TIMEOUT_MS }: Asked,
): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const signal = AbortSignal.timeout(Math.ceil(patienceMs));
		const sent = send(url + path, { method, headers, agent, signal });
		sent.on("error", reject);
		sent.on("response", (response) => {
			text(response).then(
				(body) =>
					resolve({
						status: response.statusCode ?? 0,
						headers: response.headers,
						etag: response.headers.etag,
						body,
					}),
				reject,
			);
		});
		sent.end(body);
	});
}
