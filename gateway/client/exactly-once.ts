// A fetch that gives each write an Idempotency-Key and sends it again where its answer is lost: the gateway does it once.
//
//   createClient(url, key, { global: { fetch: causal(exactlyOnce(fetch)) } })

const KEY = "Idempotency-Key";

const READS = ["GET", "HEAD", "OPTIONS"];

/** The gateway, or what stands before it, has not reached the database, or does not know whether it has. */
const REPEATED_STATUSES = [502, 503, 504];

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

export interface ExactlyOnceOptions {
	/** Which writes get a key: by default those to `/rest/v1/`. Of others, name those that the gateway's routes do. */
	applies?: (url: URL) => boolean;
	/** How often a write is sent at most, the first time included. */
	attempts?: number;
	/** Replaces the pause before the next attempt, in tests. */
	sleep?: (ms: number) => Promise<unknown>;
}

/**
 * A write that has an Idempotency-Key already keeps it. A body that is a stream is sent once, since it can be read once only.
 * @param fetch called as the result is called, with the key among the headers
 */
export function exactlyOnce(
	fetch: typeof globalThis.fetch,
	{
		applies = ({ pathname }) => pathname.includes("/rest/v1/"),
		attempts = 5,
		sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
	}: ExactlyOnceOptions = {},
): typeof globalThis.fetch {
	return async (input, init) => {
		// As fetch does: headers and method of `init` replace those of a Request.
		const request = isRequest(input) ? input : undefined;
		const method = (init?.method ?? request?.method ?? "GET").toUpperCase();
		if (READS.includes(method) || !applies(urlOf(request?.url ?? input)))
			return fetch(input, init);
		const headers = new Headers(init?.headers ?? request?.headers);
		if (!headers.has(KEY)) headers.set(KEY, `"${crypto.randomUUID()}"`);
		const sent = { ...init, headers };
		const limit = init?.body instanceof ReadableStream ? 1 : attempts;
		for (let attempt = 1; ; attempt += 1) {
			const isLast = attempt >= limit;
			let retryAfterMs = 0;
			try {
				// The body of a Request can be read once only.
				const response = await fetch(
					isLast || request === undefined ? input : request.clone(),
					sent,
				);
				if (isLast || !(await asksForMore(response))) return response;
				retryAfterMs = 1_000 * Number(response.headers.get("Retry-After")) || 0;
				await response.body?.cancel();
			} catch (error) {
				const signal = init?.signal ?? request?.signal;
				if (isLast || signal?.aborted) throw error;
			}
			const pauseMs = FIRST_PAUSE_MS * 2 ** (attempt - 1);
			// Clients that failed together do not come back together.
			const jitteredMs = pauseMs * (0.5 + Math.random());
			await sleep(
				Math.min(LONGEST_PAUSE_MS, Math.max(jitteredMs, retryAfterMs)),
			);
		}
	};
}

async function asksForMore(response: Response): Promise<boolean> {
	if (REPEATED_STATUSES.includes(response.status)) return true;
	if (response.status !== 409) return false;
	// Any JSON may come here: of what is no object, the code is undefined.
	const error = (await response
		.clone()
		.json()
		.catch(() => undefined)) as { code?: unknown } | null | undefined;
	return error?.code === "idempotency_in_flight";
}

/** By its shape: a polyfill's Request is no instance of the runtime's. */
function isRequest(input: string | object): input is Request {
	return typeof input === "object" && "headers" in input;
}

/** A browser takes a path as well: then the host is of no account. */
function urlOf(input: string | object): URL {
	return new URL(String(input), "http://localhost");
}
