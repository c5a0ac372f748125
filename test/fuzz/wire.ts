// HTTP/1.1 as bytes: requests are sent as they are, and messages are found in what comes back.
import { connect } from "node:net";

export interface Message {
	/** The request line, or the status line. */
	readonly start: string;
	/** By lower-case name, with repeats. Latin-1, as on the wire. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	readonly body: Buffer;
}

export interface Answer extends Message {
	readonly status: number;
}

/** What came back over one connection. */
export interface Exchange {
	readonly answers: readonly Answer[];
	/** Bytes that are no whole answer. */
	readonly rest: Buffer;
	/** Whether the other side ended the connection. */
	readonly isClosed: boolean;
	readonly tookMs: number;
}

export function valuesOf({ headers }: Message, name: string): string[] {
	return headers.filter(([one]) => one === name).map(([, value]) => value);
}

interface ExchangeOptions {
	readonly url: string;
	/** The methods of the requests in `bytes`, in order, as far as they are known: the answer to HEAD has no body. */
	readonly methods: readonly string[];
	/** How many answers to wait for. Undefined: until the other side ends the connection. */
	readonly expected: number | undefined;
	/** Longest silence. */
	readonly limitMs: number;
	/** After this much silence the client says that it sends no more, where the bytes may be the beginning of a request. */
	readonly endAfterMs?: number | undefined;
}

export function exchange(
	bytes: Buffer,
	{ url, methods, expected, limitMs, endAfterMs }: ExchangeOptions,
): Promise<Exchange> {
	const { hostname, port } = new URL(url);
	const startedAt = performance.now();
	return new Promise((resolve) => {
		const socket = connect(Number(port), hostname);
		let received = Buffer.alloc(0);
		let isClosed = false;
		const timers: NodeJS.Timeout[] = [];
		const finish = () => {
			for (const timer of timers) clearTimeout(timer);
			socket.destroy();
			resolve({
				...answersIn(received, methods, isClosed),
				isClosed,
				tookMs: performance.now() - startedAt,
			});
		};
		const wait = () => {
			for (const timer of timers.splice(0)) clearTimeout(timer);
			timers.push(setTimeout(finish, limitMs));
			if (endAfterMs !== undefined)
				timers.push(setTimeout(() => socket.end(), endAfterMs));
		};
		socket.on("data", (chunk) => {
			received = Buffer.concat([received, chunk]);
			const { answers } = answersIn(received, methods, false);
			if (expected !== undefined && answers.length >= expected) finish();
		});
		socket.on("close", () => {
			isClosed = true;
			finish();
		});
		// A connection that is reset is closed.
		socket.on("error", () => {});
		socket.write(bytes);
		wait();
	});
}

/** The whole answers at the beginning of the bytes. An interim one (1xx) is none. */
export function answersIn(
	received: Buffer,
	methods: readonly string[],
	isClosed: boolean,
): { answers: Answer[]; rest: Buffer } {
	const answers: Answer[] = [];
	let rest = received;
	for (;;) {
		const head = headIn(rest);
		if (head === undefined) break;
		const status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(head.start)?.[1]);
		if (Number.isNaN(status)) break;
		const isBare =
			status < 200 ||
			status === 204 ||
			status === 304 ||
			methods[answers.length] === "HEAD";
		const body = isBare ? head.without : bodyOf(head, isClosed);
		if (body === undefined) break;
		rest = body.rest;
		if (status >= 200) answers.push({ ...head, status, body: body.body });
	}
	return { answers, rest };
}

/** The whole requests at the beginning of the bytes, as a strict server reads them. */
export function requestsIn(received: Buffer): {
	requests: Message[];
	rest: Buffer;
} {
	const requests: Message[] = [];
	let rest = received;
	for (;;) {
		const head = headIn(rest);
		const body = head && bodyOf(head, false, head.without);
		if (head === undefined || body === undefined) break;
		requests.push({ ...head, body: body.body });
		rest = body.rest;
	}
	return { requests, rest };
}

interface Split {
	readonly body: Buffer;
	readonly rest: Buffer;
}

interface Head extends Omit<Message, "body"> {
	/** What follows, if there is no body. */
	readonly without: Split;
}

const HEAD_END = Buffer.from("\r\n\r\n");

function headIn(bytes: Buffer): Head | undefined {
	const end = bytes.indexOf(HEAD_END);
	if (end === -1) return undefined;
	const [start = "", ...fields] = bytes
		.subarray(0, end)
		.toString("latin1")
		.split("\r\n");
	const headers = fields.map((field) => {
		const [name = "", ...value] = field.split(":");
		return [name.toLowerCase(), value.join(":").trim()] as const;
	});
	const rest = bytes.subarray(end + HEAD_END.length);
	return { start, headers, without: { body: Buffer.alloc(0), rest } };
}

/** @returns undefined where it is not whole */
function bodyOf(
	{ headers, without: { rest } }: Head,
	isClosed: boolean,
	unframed: Split | undefined = isClosed
		? { body: rest, rest: Buffer.alloc(0) }
		: undefined,
): Split | undefined {
	const first = (name: string) =>
		headers.find(([one]) => one === name)?.[1] ?? "";
	if (/\bchunked$/i.test(first("transfer-encoding"))) return chunksIn(rest);
	const length = first("content-length");
	if (length === "") return unframed;
	if (rest.length < Number(length)) return undefined;
	return {
		body: rest.subarray(0, Number(length)),
		rest: rest.subarray(Number(length)),
	};
}

function chunksIn(bytes: Buffer): Split | undefined {
	const chunks: Buffer[] = [];
	let at = 0;
	for (;;) {
		const line = bytes.indexOf("\r\n", at);
		if (line === -1) return undefined;
		const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
		const end = line + 2 + size + 2;
		if (Number.isNaN(size) || end > bytes.length) return undefined;
		chunks.push(bytes.subarray(line + 2, end - 2));
		at = end;
		if (size === 0)
			return { body: Buffer.concat(chunks), rest: bytes.subarray(at) };
	}
}
