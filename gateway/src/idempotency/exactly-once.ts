// Writes with an Idempotency-Key: done once, whatever is lost in between. The database decides, in the write's own transaction
// (gateway/sql/code/pre_request). Here the request and its claim are sent, the answer is kept afterwards, and a repeat gets it.

import { sha256 } from "../cache/entry.ts";
import { Refusal } from "../http/refusals.ts";
import { strictUtf8 } from "../http/utf8.ts";
import type { Identity } from "../identity/identity.ts";
import { createMemoryBudget } from "../memory/memory-budget.ts";
import { refusalOfAbort, withinDeadline } from "../origin/deadline.ts";
import { errorIn } from "../origin/error-code.ts";
import type { PreRequestProbe } from "../origin/pre-request-probe.ts";
import {
	isWhole,
	readAnswer,
	readUpTo,
	wholeBodyOf,
	withBody,
} from "../origin/whole-body.ts";
import {
	type Origin,
	type PipelineRequest,
	type PreRequest,
	withBytes,
} from "../pipeline.ts";
import { createClaims, type KeptAnswer } from "./claims.ts";
import { idempotencyKeyOf, REPLAYED, WRITE_NUMBER } from "./idempotency-key.ts";

/** The largest body of a write with a key: it is read before it is sent. */
const MAX_BODY_BYTES = 1_048_576;
/** The largest answer that is kept. */
const MAX_KEPT_BYTES = 65_536;
/** All these bodies together. */
const MAX_READ_BYTES = 16_777_216;
const READING_MS = 30_000;

/** Headers of PostgREST's answer that are kept with it. */
const KEPT = [
	"content-location",
	"content-profile",
	"content-range",
	"content-type",
	"location",
	"preference-applied",
	"range-unit",
];

/** Headers that say what is written, or which answer comes back. */
const OF_REQUEST = ["accept", "content-profile", "content-type", "prefer"];

/** What postern.claim_key() raises, besides DONE. */
const RAISED = ["idempotency_in_flight", "idempotency_key_reused"] as const;
const DONE = "idempotency_done";

/** Preferences that do not change the answer of a write without a body. */
const MINIMAL = /^(?:\s*(?:return=minimal|missing=default)\s*(?:,|$))*$/;

/** A number that is short enough to arrive in one piece. Of a longer one, the beginning looks like a whole number. */
const SHORT_NUMBER = /^-?[\d.e+]{1,32}$/i;

interface ExactlyOnceDeps {
	preRequest: PreRequestProbe;
	/** The longest that a write takes once its body is there, in milliseconds. */
	deadlineMs: number;
	now: () => number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

/** The origin for writes. One without a key passes unchanged. */
export function createExactlyOnce(
	origin: Origin,
	{ preRequest, deadlineMs, now, waitUntil, log }: ExactlyOnceDeps,
): Origin {
	const claims = createClaims(origin, preRequest);
	const budget = createMemoryBudget(MAX_READ_BYTES, READING_MS, now);

	return async function exactlyOnce(request, identity, told) {
		const key = idempotencyKeyOf(request);
		if (key === undefined) return origin(request, identity, told);
		const body = await bodyOf(request);
		const { url, method } = request;
		const headers = new Headers(request.headers);
		if (body.length > 0) headers.set("content-length", String(body.length));
		// Without the client's signal: a client that goes away will repeat the write, and ask for its answer.
		const { signal } = new AbortController();
		const unsent = withBytes({ method, url, headers, signal }, body);
		const writing = withinDeadline(unsent, deadlineMs, async (request) => {
			if (!(await preRequest.isCalled()))
				throw new Refusal("idempotency_unsupported");
			return write(request, key, body, identity, told);
		});
		waitUntil(writing.catch(() => {}));
		return writing;
	};

	async function write(
		request: PipelineRequest,
		key: string,
		body: Uint8Array<ArrayBuffer>,
		identity: Identity,
		told: PreRequest | undefined,
	): Promise<Response> {
		const { url, method, headers } = request;
		const claim = crypto.randomUUID();
		const number = headers.get(WRITE_NUMBER) ?? "0";
		const sent = [
			claim,
			await hashOf([key, number]),
			await hashOf([
				method,
				pathOf(url),
				OF_REQUEST.map((name) => headers.get(name)),
				await sha256(body),
			]),
		].join(" ");
		const { answer, done } = await toldBy(
			await origin(request, identity, { ...told, claim: sent }),
		);
		if (done !== undefined) return replay(done, request);
		return mayHaveCommitted(answer) ? keep(claim, answer, request) : answer;
	}

	/** The client's whole body: the hash of it is sent before it. */
	async function bodyOf({ body, headers, signal }: PipelineRequest) {
		const read = await readUpTo(
			new Response(body, { headers }),
			MAX_BODY_BYTES,
			budget.open(),
		).catch((cause) => {
			if (signal.aborted) throw refusalOfAbort(signal, cause);
			if (cause instanceof Refusal) throw cause;
			throw new Refusal("body_malformed", { cause, details: "it breaks off" });
		});
		if (!(read instanceof Response)) return read;
		await read.body?.cancel();
		throw new Refusal("body_too_large", {
			details: `the limit of a write with an Idempotency-Key is ${MAX_BODY_BYTES} bytes, and of all at once ${MAX_READ_BYTES}`,
		});
	}

	/** Keeps the answer before it is given. Where that fails, the write is done all the same. */
	async function keep(
		claim: string,
		answer: Response,
		{ signal }: PipelineRequest,
	): Promise<Response> {
		const share = budget.open();
		const read = await readAnswer(answer, MAX_KEPT_BYTES, share, signal);
		if (read instanceof Response) return read;
		const again = answer.body === null ? answer : withBody(read, answer);
		const kept = keptOf(answer, read);
		if (kept !== undefined) await claims.keep(claim, kept).catch(log);
		return again;
	}

	async function replay(
		claim: string,
		request: PipelineRequest,
	): Promise<Response> {
		const kept = (await claims.keptAnswer(claim)) ?? minimalOf(request);
		if (kept === undefined) throw new Refusal("idempotency_answer_lost");
		const { status, headers, body } = kept;
		const answer = new Response(body, { status, headers });
		answer.headers.set(REPLAYED, "true");
		return answer;
	}
}

/** What the database says of the key: nothing, or the claim that the write was done with. */
async function toldBy(
	answer: Response,
): Promise<{ answer: Response; done?: string }> {
	const { status, headers } = answer;
	// The result of a function has Content-Range, with any status.
	if ((status !== 409 && status !== 422) || headers.has("content-range"))
		return { answer };
	const body = await wholeBodyOf(answer);
	const { code, message = "", details } = errorIn(body) ?? {};
	if (code === "PT409" && message === DONE && details)
		return { answer, done: details };
	const refused = RAISED.find((raised) => raised === message);
	if (refused === undefined || code !== `PT${status}`)
		return { answer: new Response(body, answer) };
	throw new Refusal(
		refused,
		status === 409 ? { headers: { "Retry-After": "1" } } : {},
	);
}

/** A function may set the status of an error and commit. Its result has Content-Range. */
function mayHaveCommitted({ status, headers }: Response): boolean {
	const isRolledBack = /\btx=rollback\b/.test(
		headers.get("preference-applied") ?? "",
	);
	return (status < 400 || headers.has("content-range")) && !isRolledBack;
}

/** @returns undefined where the answer may be cut off, or is not text */
function keptOf(
	answer: Response,
	body: Uint8Array<ArrayBuffer>,
): KeptAnswer | undefined {
	const { status, headers } = answer;
	const isEmpty =
		answer.body === null || (body.length === 0 && !headers.has("content-type"));
	const kept = KEPT.flatMap((name): [string, string][] => {
		const value = headers.get(name);
		return value === null ? [] : [[name, value]];
	});
	const text = textOf(body);
	const mayBeCut = !isEmpty && !isWhole(answer, body);
	if (text === undefined || (mayBeCut && !SHORT_NUMBER.test(text)))
		return undefined;
	const hasBody = ![204, 205, 304].includes(status);
	return { status, headers: kept, body: hasBody ? text : null };
}

/** @returns undefined for what PostgreSQL's JSON cannot keep */
function textOf(body: Uint8Array<ArrayBuffer>): string | undefined {
	try {
		const text = strictUtf8.decode(body);
		return text.includes("\0") ? undefined : text;
	} catch {
		return undefined;
	}
}

/** The answer of a write to a table that asked for no rows and no count: it says no more than that the write was done. */
function minimalOf({
	method,
	url,
	headers,
}: PipelineRequest): KeptAnswer | undefined {
	const isCall = pathOf(url).startsWith("/rpc/");
	if (isCall || !MINIMAL.test(headers.get("prefer") ?? "")) return undefined;
	if (method === "POST") return { status: 201, headers: [], body: "" };
	return method === "PUT"
		? undefined
		: { status: 204, headers: [], body: null };
}

function pathOf(url: string): string {
	const { pathname, search } = new URL(url);
	return pathname + search;
}

/** SHA-256 of a value as JSON, in base64url. */
async function hashOf(value: unknown): Promise<string> {
	const bytes = new TextEncoder().encode(JSON.stringify(value));
	return sha256(bytes);
}
