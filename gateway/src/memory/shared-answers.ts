// Equal reads that wait for a place at the origin share one answer: the same caller, URL and headers. Only a read that was waiting when
// the shared one was sent gets its answer, so that it is no older than one of its own would be.
//
// The answer is handed over as values, and the others look for it: a Worker must not await another request's promise. A function may
// give each of its callers another answer, so that calls are not shared.
import type { Identity } from "../identity/identity.ts";
import { headersOf, originFieldsOf } from "../origin/headers.ts";
import { isWhole, readAnswer, withBody } from "../origin/whole-body.ts";
import { isRead, type PipelineRequest, pathIn } from "../pipeline.ts";
import { createMemoryBudget, type MemoryShare } from "./memory-budget.ts";

/** A larger answer is not shared: it streams. */
const MAX_BODY_BYTES = 262_144;
/** All bodies that are shared at one time. Beyond this, answers are not shared. */
const MAX_SHARED_BYTES = 4_194_304;

interface SharedAnswersDeps {
	/** Longest wait for the answer to a read that was sent, in milliseconds. */
	timeoutMs: number;
	/** The clock, in milliseconds. */
	now: () => number;
}

/** One read, while it waits. */
export interface SharedRead {
	/** The answer that an equal read has brought; `waits`: one was sent, and this one needs no place; `asks`: none was sent. */
	look(): Response | "waits" | "asks";
	/** Sends the read, for all equal ones that wait. */
	ask(send: () => Promise<Response>): Promise<Response>;
	/** Has to be called when all is over. */
	end(): void;
}

interface Answer {
	readonly status: number;
	readonly statusText: string;
	readonly headers: readonly [name: string, value: string][];
	readonly body: Uint8Array<ArrayBuffer>;
}

interface Group {
	size: number;
	sentUntil: number | undefined;
	/** `alone`: the answer is not for others. */
	outcome: Answer | "waits" | "alone";
	readonly share: MemoryShare;
}

export function createSharedAnswers({ timeoutMs, now }: SharedAnswersDeps): {
	open(request: PipelineRequest, identity: Identity): SharedRead;
} {
	/** Those of which none was sent yet. */
	const groups = new Map<string, Group>();
	const budget = createMemoryBudget(MAX_SHARED_BYTES, timeoutMs, now);

	return {
		open(request, identity) {
			let name: string | undefined;
			let group: Group | undefined;
			let isAlone = !mayShare(request);
			const join = () => {
				name ??= nameOf(request, identity);
				const joined = groups.get(name) ?? newGroup();
				groups.set(name, joined);
				joined.size++;
				return joined;
			};
			const end = () => {
				if (group === undefined) return;
				leave(name ?? "", group);
				group = undefined;
			};
			return {
				look() {
					if (isAlone) return "asks";
					group ??= join();
					const { outcome, sentUntil } = group;
					if (typeof outcome !== "string") return responseOf(outcome);
					if (outcome === "alone") {
						end();
						isAlone = true;
						return "asks";
					}
					if (sentUntil !== undefined && now() < sentUntil) return "waits";
					group.sentUntil = undefined;
					return "asks";
				},
				ask: (send) =>
					group === undefined ? send() : ask(name ?? "", group, request, send),
				end,
			};
		},
	};

	function newGroup(): Group {
		const share = budget.open();
		return { size: 0, sentUntil: undefined, outcome: "waits", share };
	}

	function leave(name: string, group: Group): void {
		group.size--;
		if (group.size > 0) return;
		group.share.close();
		if (groups.get(name) === group) groups.delete(name);
	}

	async function ask(
		name: string,
		group: Group,
		request: PipelineRequest,
		send: () => Promise<Response>,
	): Promise<Response> {
		if (groups.get(name) === group) groups.delete(name);
		group.sentUntil = now() + timeoutMs;
		// Its client has gone away: another one of the group is sent.
		const goAgain = () => {
			group.sentUntil = undefined;
		};
		const { signal } = request;
		signal.addEventListener("abort", goAgain);
		try {
			const response = await send();
			return group.size > 1 && isForOthers(response)
				? await share(group, request, response)
				: response;
		} finally {
			if (!signal.aborted && group.outcome === "waits") group.outcome = "alone";
		}
	}

	async function share(
		group: Group,
		{ method, signal }: PipelineRequest,
		response: Response,
	): Promise<Response> {
		const body = await readAnswer(
			response,
			MAX_BODY_BYTES,
			group.share,
			signal,
		);
		if (body instanceof Response) return body;
		const own = response.body === null ? response : withBody(body, response);
		const { status, statusText } = own;
		const isBare = method === "HEAD" || response.body === null;
		if (isBare || isWhole(response, body))
			group.outcome = { status, statusText, headers: [...own.headers], body };
		return own;
	}
}

function responseOf({ body, ...head }: Answer): Response {
	// Some statuses allow no body, not even an empty one.
	const whole = body.length === 0 ? null : body;
	return new Response(whole, { ...head, headers: headersOf(head.headers) });
}

function mayShare({ method, url, headers }: PipelineRequest): boolean {
	return (
		isRead(method) &&
		!pathIn(url).startsWith("/rpc/") &&
		!/\bno-store\b/i.test(headers.get("cache-control") ?? "")
	);
}

function nameOf(
	{ method, url, headers }: PipelineRequest,
	identity: Identity,
): string {
	const { role, claims, tokenClaims } = identity;
	const sent = originFieldsOf(headers);
	return JSON.stringify([method, url, role, claims, tokenClaims, sent]);
}

/** An error of a server's may be over for the next one, and a cookie is for one client. */
function isForOthers({ status, headers }: Response): boolean {
	return status < 500 && status !== 429 && !headers.has("set-cookie");
}
