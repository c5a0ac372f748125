// The ETag of a route's answer: a hash of what the client gets, and the moment that all reads of the route are right at.
import type { Context } from "hono";
import type { StatusCode } from "hono/utils/http-status";
import { UTF8 } from "../cache/entry.ts";
import { conditional, entityTag, etagAt, type Moment } from "../cache/etag.ts";
import { createMemoryBudget } from "../memory/memory-budget.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import { readUpTo, withBody } from "../origin/whole-body.ts";

/** A larger answer has no ETag. */
const MAX_BYTES = 1_048_576;

/** Answers that are being hashed at once. Beyond this, they have no ETag. */
const MAX_HASHING_BYTES = 8_388_608;
const HASHING_MS = 30_000;

/** For the texts of the last answers with their hashes: a route often answers what it answered before. */
const HASHED_BYTES = 524_288;
/** Of a hash, besides its text. */
const HASH_BYTES = 128;

export function createRouteEtags(now: () => number) {
	const budget = createMemoryBudget(MAX_HASHING_BYTES, HASHING_MS, now);
	/** What `context.json` has made answers of. */
	const texts = new WeakMap<Response, string>();
	const hashes = new MemoryStore<string>(HASHED_BYTES, () => HASH_BYTES);

	return { keepTexts, withEtag };

	/** Keeps the texts of a route's answers: to read one back from its answer costs more than all the rest of its ETag. */
	function keepTexts(context: Context): void {
		const json = (
			value: unknown,
			status?: StatusCode,
			headers?: Record<string, string | string[]>,
		) => {
			const text = JSON.stringify(value) ?? "";
			const answer = context.newResponse(text, status, {
				"Content-Type": "application/json",
				...headers,
			});
			texts.set(answer, text);
			return answer;
		};
		context.json = json as unknown as Context["json"];
	}

	/** The answer with an ETag, or the 304 in its place. What is not JSON may be endless, and has none. */
	async function withEtag(
		request: Request,
		answer: Response,
		moment: Moment | undefined,
	): Promise<Response> {
		const { status, headers } = answer;
		const type = headers.get("Content-Type") ?? "";
		const mayHaveEtag =
			request.method === "GET" &&
			moment !== undefined &&
			status === 200 &&
			type.startsWith("application/json") &&
			!headers.has("ETag");
		if (!mayHaveEtag) return answer;
		const text = texts.get(answer);
		let tagged = answer;
		let hash: string | undefined;
		if (text === undefined) {
			const read = await readUpTo(answer, MAX_BYTES, budget.open());
			if (read instanceof Response) return read;
			tagged = withBody(read, answer);
			hash = await hashOf(type, read);
		} else hash = await hashOfText(type, text);
		if (hash === undefined) return answer;
		tagged.headers.set("ETag", etagAt(hash, moment));
		return conditional(request, tagged);
	}

	/** @returns undefined where the text is too long */
	async function hashOfText(
		type: string,
		text: string,
	): Promise<string | undefined> {
		// No header has a line break.
		const name = `${type}\n${text}`;
		const known = hashes.get(name);
		if (known !== undefined) return known;
		const body = UTF8.encode(text);
		if (body.length > MAX_BYTES) return undefined;
		const hash = await hashOf(type, body);
		hashes.put(name, hash);
		return hash;
	}
}

function hashOf(type: string, body: Uint8Array): Promise<string> {
	const headers = [["content-type", type]] as const;
	return entityTag({ status: 200, headers, body });
}
